"""
What passes through a call while it runs: a request's body in, its answer out, in pieces.

Neither end may run far ahead of the other, so a body of gigabytes is never here as a whole. What
was taken is let go of; of what went in a little is kept, for a container that begins anew because
the first one was taken away. It knows no HTTP.
"""

from collections.abc import Callable

from modal_emulator.ground.errors import Conflict
from modal_emulator.schedule.pulse import Pulse

__all__ = ["AGAIN", "AHEAD", "Passage"]

AHEAD = 4 << 20
"""Bytes by which one end may be ahead of the other."""

AGAIN = 16 << 20
"""Bytes up to which what went in is kept."""


class Passage:
    """Both directions of one call, as serialised DataChunks in order."""

    def __init__(self, pulse: Pulse, is_at_work: Callable[[], bool]) -> None:
        self._pulse = pulse
        self._is_at_work = is_at_work
        self._unheard = self._heard_bytes = self._heard = self._untaken = 0
        self.given: list[bytes] = []
        self.produced: list[bytes] = []
        self.released = False

    def give(self, chunks: list[bytes]) -> None:
        """Something came in."""
        self.given.extend(chunks)
        self._unheard += sum(map(len, chunks))

    async def attention(self) -> None:
        """Wait until a container took what came in, but for a little."""
        while self._unheard > AHEAD and self._is_at_work():
            await self._pulse.wait()

    def hear(self, index: int) -> bytes:
        """
        Return what came in at this place, for a container.

        Raises:
            Conflict: it was too much to keep, and another container had it before.
        """
        chunk = self.given[index]
        if not chunk:
            raise Conflict("what this call was given is gone, so it cannot begin again")
        if index >= self._heard:
            self._heard = index + 1
            self._unheard -= len(chunk)
            self._heard_bytes += len(chunk)
            if self._heard_bytes > AGAIN:
                self.given[0] = self.given[index] = b""
            self._pulse.beat()
        return chunk

    def produce(self, chunks: list[bytes]) -> None:
        """Something came out."""
        if not self.released:
            self.produced.extend(chunks)
            self._untaken += sum(map(len, chunks))

    async def room(self) -> None:
        """Wait until what came out was taken, but for a little."""
        while self._untaken > AHEAD and self._is_at_work():
            await self._pulse.wait()

    def take(self, index: int) -> bytes | None:
        """Return what came out at this place, if something did, and keep it no longer."""
        if index >= len(self.produced):
            return None
        chunk, self.produced[index] = self.produced[index], b""
        self._untaken -= len(chunk)
        if self._untaken + len(chunk) > AHEAD:
            self._pulse.beat()
        return chunk

    def end(self) -> None:
        """Nobody takes any more."""
        self.released = True
        self.produced, self._untaken = [], 0
        self._pulse.beat()
