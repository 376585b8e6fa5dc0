"""
Which addresses of the loopback network are whose.

All of 127.0.0.0/8 is this machine, so each container can have addresses of its own there without
anybody's leave. Emulators share the machine: each claims a block of addresses, and the kernel
lets it go with the process.
"""

import ipaddress
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from modal_emulator.ground.errors import Exhausted

__all__ = ["MACHINE", "Addresses", "Pool"]

MACHINE = "127.0.0.1"

_FIRST = int(ipaddress.ip_address("127.64.0.0"))  # proxies have theirs from 127.192.0.0 on
_BLOCKS, _SIZE = 256, 1 << 14
_EACH = 4
_turns = count(os.getpid())
_PORT = 53419  # where a block is claimed, by UDP; any that an ordinary user may bind


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one container."""

    outer: str
    """Where it is reached, as at its `eth0`: what is bound to all interfaces is there."""
    inner: str
    """Its own 127.0.0.1, which others do not look at."""
    six: str
    """Its own ::1: IPv6 has one loopback address only, so it is played by IPv4."""

    @classmethod
    def at(cls, outer: str) -> "Addresses":
        """Return the addresses that go with this one."""
        first = ipaddress.IPv4Address(outer)
        return cls(outer, str(first + 1), str(first + 2))


class Pool:
    """The addresses that one emulator gives to its containers."""

    def __init__(self) -> None:
        self._claim: socket.socket | None = None
        self._first = 0
        self._taken: set[str] = set()

    def take(self) -> str:
        """
        Return an address that no other container has.

        One that became free is given again as late as can be, also by the next emulator of this
        process or the next process: the kernel remembers connections for a minute.

        Raises:
            Exhausted: there are too many emulators, or containers.
        """
        if self._claim is None:
            self._claim, self._first = _claim()
        slots = _SIZE // _EACH - 1  # the first is the claim's
        for _ in range(slots):
            number = self._first + _EACH * (1 + next(_turns) % slots)
            address = str(ipaddress.IPv4Address(number))
            if address not in self._taken:
                self._taken.add(address)
                return address
        raise Exhausted(f"all {slots} addresses of this emulator's containers are taken")

    def give(self, address: str) -> None:
        """Take an address back."""
        self._taken.discard(address)

    def close(self) -> None:
        """Leave the block to others."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None


def _claim() -> tuple[socket.socket, int]:
    for first in _firsts():
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((str(ipaddress.IPv4Address(first)), _PORT))
        except OSError:
            claim.close()
            continue
        return claim, first
    raise Exhausted(f"{_BLOCKS} emulators on this machine have containers already")


def _firsts() -> Iterator[int]:
    return (_FIRST + number * _SIZE for number in range(_BLOCKS))
