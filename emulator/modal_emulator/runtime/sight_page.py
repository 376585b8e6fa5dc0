"""
How much is to be seen of containers, and the epoch, on a page of memory that processes look at.

They look before each step, so it must not cost a call. Either number is one store.
"""

import mmap
import os
import struct
from pathlib import Path

from modal_emulator.runtime.sight import Attention

__all__ = ["SightPage"]

_EPOCH, _ATTENTION = struct.Struct("@Q"), struct.Struct("@B")
_SIZE = _EPOCH.size + _ATTENTION.size


class SightPage:
    """Either side's hold on it; it stays when its file is not seen any more."""

    def __init__(self, file: int) -> None:
        """Map an open file, which is closed; the memory stays."""
        try:
            self._memory = mmap.mmap(file, _SIZE, prot=mmap.PROT_READ)
        finally:
            os.close(file)

    @classmethod
    def make(cls, path: Path) -> "SightPage":
        """Make it, for the one who writes it."""
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
        try:
            # A store where a full disk has no room would be a fault of the whole process.
            os.posix_fallocate(file, 0, _SIZE)
            made = cls(os.dup(file))
            made._memory = mmap.mmap(file, _SIZE)
        finally:
            os.close(file)
        return made

    def close(self) -> None:
        """Let go of it; the file is the caller's."""
        self._memory.close()

    def write(self, attention: Attention, epoch: int) -> None:
        """Say how it is now."""
        self.renew(epoch)
        _ATTENTION.pack_into(self._memory, _EPOCH.size, attention)

    def renew(self, epoch: int) -> None:
        """Say that what was no news is news."""
        _EPOCH.pack_into(self._memory, 0, epoch)

    @property
    def attention(self) -> int:
        """How much is to be seen; compares equal to an `Attention`."""
        return self._memory[_EPOCH.size]

    @property
    def epoch(self) -> int:
        """Until when a step is no news."""
        (epoch,) = _EPOCH.unpack_from(self._memory)
        return int(epoch)
