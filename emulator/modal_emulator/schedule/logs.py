"""
What containers printed, by app.

Lines are kept in order of arrival under ever growing entry numbers, the oldest forgotten beyond a
bound. A reader asks for what came after an entry and waits for more; `close` says that nothing
will come any more. Nothing here is durable: a restart of the server forgets it.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from modal_emulator.ground.clock import Clock
from modal_emulator.schedule.pulse import Pulse

__all__ = ["LogFilter", "LogLine", "Logs"]

BOUND = 50_000
STDOUT, STDERR, INFO = 1, 2, 3


@dataclass(frozen=True, slots=True)
class LogLine:
    """A piece of text that something wrote at one instant."""

    entry: int
    at: float
    app_id: str
    text: str
    descriptor: int
    container_id: str = ""
    function_id: str = ""
    input_id: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines a reader wants; an empty field wants all."""

    function_id: str = ""
    container_id: str = ""
    call_id: str = ""
    input_id: str = ""
    descriptor: int = 0
    text: str = ""
    since: float = 0.0
    until: float = float("inf")

    def wants(self, line: LogLine) -> bool:
        """Say whether the line passes."""
        return (
            self.function_id in ("", line.function_id)
            and self.container_id in ("", line.container_id)
            and self.call_id in ("", line.call_id)
            and self.input_id in ("", line.input_id)
            and self.descriptor in (0, line.descriptor)
            and self.text in line.text
            and self.since <= line.at < self.until
        )


@dataclass(slots=True)
class _AppLog:
    lines: deque[LogLine] = field(default_factory=lambda: deque(maxlen=BOUND))
    pulse: Pulse = field(default_factory=Pulse)
    closed: bool = False


class Logs:
    """Keeps the lines of every app."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apps: dict[str, _AppLog] = defaultdict(_AppLog)
        self._entry = 0
        self._listeners: list[Callable[[LogLine], None]] = []
        self._readers: list[Callable[[LogLine], LogLine]] = []
        self._diverted: dict[str, Callable[[str], None]] = {}

    def add(
        self,
        app_id: str,
        text: str,
        descriptor: int = INFO,
        *,
        container_id: str = "",
        function_id: str = "",
        input_id: str = "",
        call_id: str = "",
    ) -> None:
        """Keep a piece of text of this app and tell who listens."""
        self._entry += 1
        line = LogLine(
            self._entry,
            self._clock.now(),
            app_id,
            text,
            descriptor,
            container_id,
            function_id,
            input_id,
            call_id,
        )
        for reader in self._readers:
            line = reader(line)
        if (diverted := self._diverted.get(function_id)) is not None:
            diverted(line.text)
            return
        log = self._apps[app_id]
        log.lines.append(line)
        log.pulse.beat()
        for listener in tuple(self._listeners):
            listener(line)

    def listen(self, listener: Callable[[LogLine], None]) -> Callable[[], None]:
        """Call `listener` for each later line of any app; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def diverted(self, function_id: str, to: Callable[[str], None]) -> Iterator[None]:
        """For the length of the block give `to`, and nobody else, what this function prints."""
        self._diverted[function_id] = to
        try:
            yield
        finally:
            del self._diverted[function_id]

    def read_first(self, reader: Callable[[LogLine], LogLine]) -> None:
        """Let `reader` see each line before all others, and return the one that is kept."""
        self._readers.append(reader)

    def read(self, app_id: str, after: int, wanted: LogFilter) -> Iterator[LogLine]:
        """Return the lines of the app that came after this entry."""
        log = self._apps[app_id]
        return (line for line in tuple(log.lines) if line.entry > after and wanted.wants(line))

    def last_entry(self) -> int:
        """Return the number of the newest line of all."""
        return self._entry

    def next(self, app_id: str) -> "asyncio.Future[bool]":
        """Return what is done at the next line, or the end, of this app."""
        return self._apps[app_id].pulse.next()

    async def wait(self, app_id: str, timeout: float | None) -> bool:
        """Wait for the next line, or the end, of this app."""
        return await self._apps[app_id].pulse.wait(timeout)

    def wake(self, app_id: str) -> None:
        """Let who waits for the next line look whether there is still something to wait for."""
        self._apps[app_id].pulse.beat()

    def open(self, app_id: str) -> None:
        """More may come (again)."""
        self._apps[app_id].closed = False

    def close(self, app_id: str) -> None:
        """Nothing more will come from this app."""
        log = self._apps[app_id]
        log.closed = True
        log.pulse.beat()

    def closed(self, app_id: str) -> bool:
        """Say whether nothing more will come."""
        return self._apps[app_id].closed
