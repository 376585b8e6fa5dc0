"""
What a program wrote, from its first byte on, for readers that come when they like.

A tape lies in memory until it is long, and then in a file that nobody else can open. Nobody is
told of new bytes but by the pulse; the end is one of these news.
"""

from tempfile import SpooledTemporaryFile

from modal_emulator.schedule.pulse import Pulse

__all__ = ["Tape"]

_IN_MEMORY = 1 << 20


class Tape:
    """Bytes that only grow in number."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  (until `forget`)
        self.length = 0
        self.read_to = 0
        """How far any reader has come."""
        self.ended = False
        """Nothing will be added any more."""
        self.pulse = Pulse()

    def append(self, data: bytes) -> None:
        """Add bytes."""
        if self._file.closed:
            return
        self._file.seek(self.length)
        self._file.write(data)
        self.length += len(data)
        self.pulse.beat()

    def end(self) -> None:
        """Say that all is there."""
        self.ended = True
        self.pulse.beat()

    def read(self, offset: int, most: int) -> bytes:
        """Return at most so many bytes from an offset on; none when there are none yet."""
        if offset >= self.length or self._file.closed:
            return b""
        self._file.seek(offset)
        data: bytes = self._file.read(most)
        self.read_to = max(self.read_to, offset + len(data))
        return data

    def forget(self) -> None:
        """Give the room back; who still reads finds the end."""
        self._file.close()
        self.end()
