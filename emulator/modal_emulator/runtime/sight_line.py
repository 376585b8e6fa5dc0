"""
The line on which a container's process tells of its steps on files, and waits where it must.

Each message is one packet, so all processes and threads of the container can use the same end.
Who waits sends along an end of a new pair of sockets, and is answered on that. What was sent is in
the line before the sender goes on: whoever reads it to its end knows all that was done before
anything that is heard later by other ways.
"""

import asyncio
import errno
import json
import select
import socket
import sys
from contextlib import suppress
from typing import Any

from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.runtime.sight import Seen
from modal_emulator.runtime.sight_page import SightPage

__all__ = ["FarSight", "SightLine"]

_PACKET = 1 << 16
_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
_GO_ON = b"{}"


class FarSight:
    """In the container: a `Sight` that is at the other end of the line."""

    def __init__(self, file: int, page: int) -> None:
        """The line, and the page of what is to be seen, are open already; they are kept."""
        self._end = socket.socket(fileno=file)
        self._page = SightPage(page)

    @property
    def attention(self) -> int:
        """How much is to be seen now."""
        return self._page.attention

    @property
    def epoch(self) -> int:
        """Until when a step is no news."""
        return self._page.epoch

    def note(self, step: Step, error: OSError | None) -> None:
        """Tell of a step that is over."""
        with suppress(OSError):  # the server is gone, or user code has closed all files
            self._end.send(_packed(step, None, error))

    def hold(self, step: Step, moment: Moment, error: OSError | None = None) -> None:
        """
        Wait until it is answered; the end of the server is an answer, too.

        Raises:
            OSError: the step is to fail.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    socket.send_fds(self._end, [_packed(step, moment, error)], [theirs.fileno()])
                except OSError:
                    return
            answer = json.loads(ours.recv(_PACKET) or _GO_ON)
        if answer:
            raise OSError(*answer["arguments"])


class SightLine:
    """On the server's event loop: hears one container, and passes it on to who sees it."""

    def __init__(self, sight: Seen) -> None:
        self._sight = sight
        self._loop = asyncio.get_running_loop()
        self._end, self.theirs = socket.socketpair(socket.AF_UNIX, _KIND)
        self._end.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._end, select.POLLIN)  # that it ended is always told
        self._loop.add_reader(self._end, self.read)
        self._held: set[asyncio.Task[None]] = set()
        sight.source(self.read)

    def read(self) -> None:
        """Read all that was sent so far."""
        # Asked before each step; that there is nothing is told soonest so.
        while self._end.fileno() >= 0 and self._poll.poll(0):
            try:
                data, files, _, _ = socket.recv_fds(self._end, _PACKET, 1)
            except BlockingIOError:
                return
            except OSError:
                data, files = b"", []
            if not data:
                self._stop()
                return
            step, moment, error = _unpacked(data)
            if moment is None or not files:
                self._sight.note(step, error)
                continue
            held = asyncio.ensure_future(self._hold(files[0], step, moment, error))
            self._held.add(held)
            held.add_done_callback(self._held.discard)

    def close(self) -> None:
        """The container has ended."""
        self.theirs.close()
        self.read()
        self._stop()
        for held in self._held:
            held.cancel()

    async def _hold(self, file: int, step: Step, moment: Moment, error: OSError | None) -> None:
        with socket.socket(fileno=file) as answer:
            said = _GO_ON
            try:
                await self._sight.arrive(step, moment, error)
            except Exception as failure:
                said = json.dumps({"arguments": _arguments(failure)}).encode()
            with suppress(OSError):  # it was killed
                answer.send(said)

    def _stop(self) -> None:
        if self._end.fileno() >= 0:
            self._loop.remove_reader(self._end)
            self._end.close()


def _arguments(failure: Exception) -> tuple[object, ...]:
    """Return what to make an OSError of."""
    if isinstance(failure, OSError) and failure.errno is not None:
        return failure.errno, failure.strerror
    return (str(failure) or repr(failure),)


def _packed(step: Step, moment: Moment | None, error: OSError | None) -> bytes:
    values: dict[str, Any] = {
        "kind": step.kind.value,
        "object_id": step.object_id,
        "path": step.path,
        "to": step.to,
        "where": step.where,
        "arguments": step.arguments,
    }
    if moment is not None:
        values["moment"] = moment.value
    if error is not None:
        values["error"] = (error.errno or errno.EIO, error.strerror)
    data = json.dumps(values).encode()
    if len(data) >= _PACKET:  # of a program with very many arguments
        return _packed(step._replace(arguments=(), where=step.where[-5:]), moment, error)
    return data


def _unpacked(data: bytes) -> tuple[Step, Moment | None, OSError | None]:
    values = json.loads(data)
    moment = Moment(values.pop("moment")) if "moment" in values else None
    error = OSError(*values.pop("error")) if "error" in values else None
    kind = Kind(values.pop("kind"))
    for name in ("where", "arguments"):
        values[name] = tuple(values[name])
    return Step(kind, **values), moment, error
