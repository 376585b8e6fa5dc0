"""Journals written by hand: what containers might have done, as the emulator tells it."""

from collections.abc import Sequence
from itertools import count

from fakes import ManualClock
from modal_emulator.findings.story import Story, story_of
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.steps import Kind

__all__ = ["Tale"]

SHELF = "vo-shelf"
NAMES = {SHELF: "shelf", "qu-work": "work", "di-state": "state"}


class Tale:
    """A journal in which containers, named by a word, work on the volume `shelf`."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.journal = Journal(self.clock)
        self.versions = 0
        self.there: set[str] = set()
        self.sees: dict[str, int] = {}
        self._ids = count(1)

    def story(self) -> Story:
        return story_of(self.journal.events(), NAMES)

    def step(
        self, who: str, kind: Kind, path: str = "", *, error: str = "", **values: str | int | bool
    ) -> None:
        """A step, as `Steps.note` writes it."""
        self.clock.set(self.clock.now() + 1)
        self.journal.add(
            "step",
            **{
                "step": kind.value,
                "container_id": who,
                "function": who.split("#")[0],
                "call_id": "",
                "object_id": SHELF if kind in ON_VOLUMES else "",
                "path": path,
                "to": "",
                "version": self.sees.get(who, 0) if kind in ON_VOLUMES else 0,
                "where": f"app.py:{next(self._ids)} in {who}" if who else "",
                "error": error,
                **values,
            },
        )

    # ---------------------------------------------------------------- containers

    def start(self, who: str) -> None:
        self.sees[who] = self.versions
        self.journal.add("volume.mounted", volume_id=SHELF, container_id=who, version=self.versions)
        self.step(who, Kind.START)

    def exit(self, who: str, *, why: str = "", code: int = 0) -> None:
        self.journal.add(
            "container.exit", container_id=who, function_id="", code=code, signal=None, why=why
        )

    def lost(self, who: str, *paths: str) -> None:
        self.journal.add(
            "volume.lost", volume_id=SHELF, container_id=who, paths="\0".join(paths), removed=""
        )

    # ---------------------------------------------------------------- calls

    def call(self, caller: str, who: str) -> str:
        """Somebody calls, and a container takes the input; returns the call's id."""
        call_id = f"fc-{next(self._ids)}"
        self.queue(caller, call_id)
        self.take(who, call_id)
        return call_id

    def queue(self, caller: str | None, call_id: str) -> None:
        self.journal.add(
            "input.queued",
            input_id=f"in-{call_id}",
            function_id="fu-1",
            call_id=call_id,
            container_id=caller,
        )
        if caller is not None:
            self.step(caller, Kind.CALL, object_id="fu-1")

    def take(self, who: str, call_id: str) -> None:
        self.journal.add(
            "input.taken",
            input_id=f"in-{call_id}",
            function_id="fu-1",
            call_id=call_id,
            container_id=who,
        )
        self.step(who, Kind.INPUT, call_id=call_id)

    def output(self, who: str, call_id: str) -> None:
        self.journal.add(
            "input.finished",
            input_id=f"in-{call_id}",
            status="SUCCESS",
            call_id=call_id,
            container_id=who,
        )
        self.step(who, Kind.OUTPUT, call_id=call_id)

    def result(self, caller: str, call_id: str) -> None:
        self.step(caller, Kind.RESULT, object_id=call_id)

    # ---------------------------------------------------------------- volumes

    def commit(
        self, who: str, *paths: str, via: str = "commit", removed: tuple[str, ...] = ()
    ) -> None:
        """A version is made of these paths; without any, the commit found nothing to do."""
        if paths or removed:
            self._version(who, via, paths, removed)
        kind = KINDS.get(via)
        if kind is not None:
            self.step(who, kind)

    def reload(self, who: str, *paths: str) -> None:
        if paths:
            self._version(who, "reload", paths, ())
        self.sees[who] = self.versions
        self.journal.add("volume.reload", volume_id=SHELF, container_id=who, version=self.versions)
        self.step(who, Kind.RELOAD)

    def upload(self, *paths: str) -> None:
        self._version("", "api", paths, ())

    def _version(
        self, who: str, via: str, paths: tuple[str, ...], removed: tuple[str, ...]
    ) -> None:
        self.versions += 1
        self.journal.add(
            "volume.commit",
            volume_id=SHELF,
            version=self.versions,
            container_id=who,
            function=who.split("#")[0],
            call_id="",
            via=via,
            base=self.sees.get(who, self.versions - 1),
            changed=len(paths) + len(removed),
            paths="\0".join(paths),
            removed="\0".join(removed),
            added="\0".join(path for path in paths if path not in self.there),
        )
        self.there.update(paths)
        self.there.difference_update(removed)

    # ---------------------------------------------------------------- Dicts and Queues

    def put(self, who: str, count: int = 1) -> None:
        self._queue("queue.put", who, count)
        self.step(who, Kind.QUEUE_PUT, "b''", object_id="qu-work")

    def get(self, who: str, count: int = 1) -> None:
        self._queue("queue.get", who, count)
        self.step(who, Kind.QUEUE_GET, "b''", object_id="qu-work")

    def _queue(self, kind: str, who: str, count: int) -> None:
        self.journal.add(kind, object_id="qu-work", path="b''", count=count, container_id=who)

    def set(self, who: str, *keys: str) -> None:
        self._write("dict.put", who, keys, done=True, if_absent=False)

    def lock(self, who: str, key: str, *, done: bool = True) -> None:
        """Put a key with `skip_if_exists`."""
        self._write("dict.put", who, [key], done=done, if_absent=True)

    def pop(self, who: str, key: str, *, done: bool = True) -> None:
        self._write("dict.pop", who, [key], done=done)

    def clear(self, who: str) -> None:
        self.step(who, Kind.DICT_WRITE, object_id="di-state")

    def _write(self, kind: str, who: str, keys: Sequence[str], **values: bool) -> None:
        path = ", ".join(repr(key.encode()) for key in keys)
        told = {"object_id": "di-state", "path": path}
        self.journal.add(kind, container_id=who, **told, **values)
        self.step(who, Kind.DICT_WRITE, path, object_id="di-state")

    def ask(self, who: str, key: str) -> None:
        self.step(who, Kind.DICT_READ, repr(key.encode()) if key else "", object_id="di-state")


ON_VOLUMES = set(Kind) - {
    Kind.START,
    Kind.STOP,
    Kind.INPUT,
    Kind.OUTPUT,
    Kind.CALL,
    Kind.RESULT,
    Kind.RUN,
    Kind.DICT_READ,
    Kind.DICT_WRITE,
    Kind.QUEUE_GET,
    Kind.QUEUE_PUT,
    Kind.QUEUE_READ,
}
KINDS = {
    "commit": Kind.COMMIT,
    "background": Kind.BACKGROUND_COMMIT,
    "exit": Kind.EXIT_COMMIT,
}
