"""
Where values of secrets come to light: what is written, answered and kept is handed in here.

Each value is told once for each place, as an event "finding" with the names of its key and secret,
never with the value. Looking is done beside what is looked at: it delays nothing and fails nothing.
What is small is looked through at once, and what is large, or a file, in a thread, one at a time.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from modal_emulator.findings.leaks import NONE, Needles, Sighting, Trail
from modal_emulator.findings.secrecy import LeakRules, Value
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.ground.steps import Kind, Step
from modal_emulator.schedule.combing import MOST, Commit, search_file
from modal_emulator.schedule.handed import Handed
from modal_emulator.schedule.logs import LogLine, Logs
from modal_emulator.schedule.steps import Steps
from modal_emulator.store.apps import Apps
from modal_emulator.store.volumes import Volumes

__all__ = ["Leaks", "Place"]

_AT_ONCE = 256 << 10
_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where something came to light."""

    where: str
    """As in "TOKEN is in the log of upload"."""
    container_id: str = ""
    path: str = ""
    notes: tuple[str, ...] = ()
    """Lines that tell more of it."""


class Leaks:
    """Looks for all values that the secrets of a World hold, or held while somebody has them."""

    def __init__(
        self,
        *,
        handed: Handed,
        volumes: Volumes,
        apps: Apps,
        logs: Logs,
        steps: Steps,
        journal: Journal,
        rules: LeakRules,
    ) -> None:
        self._handed = handed
        self._volumes = volumes
        self._apps = apps
        self._journal = journal
        self._rules = rules
        self._needles = self._masked = NONE
        self._sought: tuple[tuple[Value, ...], tuple[Value, ...]] = ((), ())
        self._stale = True
        self._trails: dict[tuple[str, int], Trail] = {}
        self._told: set[tuple[str, str, str]] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._reading = asyncio.Lock()
        self._over = threading.Event()
        handed.on_change(self._changed)
        logs.read_first(self._log)
        steps.listen(self._step, Kind.RUN)
        journal.listen(self._hear, "volume.commit", "container.exit")
        journal.mask_with(self.mask)

    @property
    def needles(self) -> Needles:
        """What is looked for now; nothing while there is no secret."""
        self._renew()
        return self._needles

    def look(self, data: bytes, place: Callable[[], Place]) -> None:
        """Look through what has come to light at a place, which is asked for when it matters."""
        needles = self.needles
        if not needles:
            return
        if len(data) <= _AT_ONCE:
            self._tell(needles.search(data), place)
        else:
            self._begin(self._look_later(needles, data, place()))

    def look_into(self, file: Path, place: Place) -> None:
        """Look through a file, which may go away meanwhile."""
        if needles := self.needles:
            self._begin(self._look_at_file(needles, file, place))

    def follow(self, trail: Trail, piece: bytes, place: Callable[[], Place]) -> None:
        """Look through a piece of what comes in pieces."""
        if needles := self.needles:
            self._tell(trail.follow(needles, piece), place)

    def mask(self, text: str) -> str:
        """Return the text without values of secrets, also former ones."""
        self._renew()
        return self._masked.mask(text)

    async def looked(self) -> None:
        """Return once all that was begun is looked through."""
        while self._work:
            await asyncio.wait(self._work)

    async def close(self) -> None:
        """Look no further."""
        self._over.set()
        self._stale = False  # the secrets cannot be asked any more
        await self.looked()

    # ---------------------------------------------------------------- what is told by itself

    def _renew(self) -> None:
        if not self._stale:
            return
        self._stale = False
        values, former = tuple(self._handed.values()), tuple(self._handed.former())
        if (values, former) == self._sought:
            return
        self._sought = (values, former)
        self._needles = self._masked = Needles(values, self._rules)
        if not set(former) <= set(values):
            self._masked = Needles((*values, *former), self._rules)

    def _changed(self) -> None:
        self._stale = not self._over.is_set()

    def _log(self, line: LogLine) -> LogLine:
        if not self.needles:
            return line
        trail = self._trails.setdefault((line.container_id, line.descriptor), Trail())

        def place() -> Place:
            function = self._apps.past(line.function_id).tag.removesuffix(".*")
            return Place(f"in the log of {function or 'a Sandbox'}", line.container_id)

        self.follow(trail, line.text.encode(errors="surrogatepass"), place)
        return replace(line, text=self.mask(line.text)) if self._rules.mask_logs else line

    def _step(self, step: Step, _error: Exception | None) -> None:
        if not step.arguments or not self.needles:
            return

        def place() -> Place:
            where = f"in the arguments of a program that {step.function or 'a container'} starts"
            return Place(where, step.container_id, step.path, step.where[-1:])

        self.look(" ".join(step.arguments).encode(errors="surrogateescape"), place)

    def _hear(self, event: Event) -> None:
        if event.kind == "volume.commit" and self.needles:
            values = event.values
            commit = self._look_at_commit(
                self._needles,
                str(values["volume_id"]),
                int(values["version"] or 0),
                str(values["container_id"] or ""),
            )
            self._begin(commit)
        elif event.kind == "container.exit":
            for number in range(4):
                self._trails.pop((str(event.values["container_id"]), number), None)

    # ---------------------------------------------------------------- what is read in threads

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        if self._over.is_set():
            work.close()
            return
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _look_later(self, needles: Needles, data: bytes, place: Place) -> None:
        async with self._reading:
            seen = await asyncio.to_thread(needles.search, data)
        self._tell(seen, lambda: place)

    async def _look_at_commit(
        self, needles: Needles, volume_id: str, number: int, container_id: str
    ) -> None:
        try:
            edition = self._volumes.edition(volume_id, number)
        except EmulatorError:  # it is gone already
            return
        try:
            name = self._volumes.get(volume_id).name or volume_id
            commit = Commit(edition, self._volumes.packed_changes(volume_id, number))
            async with self._reading:
                found = await asyncio.to_thread(commit.search, needles, self._over)
        finally:
            edition.close()
        for path, seen in found:
            where = (
                f"in the file {path} of volume '{name}'"
                if path
                else f"in a name in volume '{name}'"
            )
            self._tell(seen, partial(Place, where, container_id, path))

    async def _look_at_file(self, needles: Needles, file: Path, place: Place) -> None:
        async with self._reading:
            seen, _ = await asyncio.to_thread(search_file, needles, file, MOST, self._over)
        self._tell(seen, lambda: place)

    # ---------------------------------------------------------------- what is told

    def _tell(self, seen: Iterable[Sighting], place: Callable[[], Place]) -> None:
        for sighting in seen:
            at = place()
            told = (sighting.key, sighting.secret, at.where)
            if told in self._told or len(self._told) >= _TOLD:
                continue
            self._told.add(told)
            whose = f"secret '{sighting.secret}'" if sighting.secret else "a Secret without a name"
            how = f", as {sighting.encoding}" if sighting.encoding else ""
            self._journal.add(
                "finding",
                subject="secret leak",
                title=f"{sighting.key} of {whose} is {at.where}{how}",
                text="\n".join([sighting.excerpt, *at.notes]).strip(),
                object=sighting.secret,
                path=at.path,
                container_id=at.container_id,
            )
