"""
What a container prints, handed over on the event loop.

Python writes a line in several pieces when its output is not buffered: text here, the line's
end there. Lines are passed on whole, so that those of two containers do not mix in a terminal;
a line without an end follows a moment later.
"""

import asyncio
import os
from collections.abc import Callable

__all__ = ["Lines", "Output"]

_PIECE = 1 << 16
_MOMENT = 0.01  # seconds; a print's pieces are microseconds apart


class Lines:
    """Puts pieces of text together to whole lines."""

    def __init__(self, on_text: Callable[[bytes], None]) -> None:
        """Belongs to the running loop."""
        self._on_text = on_text
        self._rest = b""
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def feed(self, piece: bytes) -> None:
        """Take a piece."""
        text = self._rest + piece
        end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        if len(text) - end > _PIECE:
            end = len(text)
        self._rest = text[end:]
        if end:
            self._on_text(text[:end])
        self._wait()

    def flush(self) -> None:
        """Pass on what is there, though its line has no end."""
        rest, self._rest = self._rest, b""
        self._wait()
        if rest:
            self._on_text(rest)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_MOMENT, self.flush) if self._rest else None


class Output:
    """The reading end of one pipe."""

    def __init__(self, pipe: int, on_text: Callable[[bytes], None]) -> None:
        """Read `pipe` from now on, and close it in the end."""
        os.set_blocking(pipe, False)
        self._pipe = pipe
        self._lines = Lines(on_text)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pipe, self._read)

    def finish(self) -> None:
        """Pass on all that is in the pipe now, and close it."""
        while self._read():
            pass
        self._lines.flush()
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)

    def _read(self) -> bool:
        """Take a piece; false when there is none now."""
        try:
            piece = os.read(self._pipe, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self._loop.remove_reader(self._pipe)  # nobody holds the other end
            return False
        self._lines.feed(piece)
        return True
