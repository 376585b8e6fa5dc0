"""
A volume of a running emulator, looked at from outside: its versions, and what each of them holds.

For tests and scripts, on any thread but the emulator's own. Nothing here mounts or locks: a
version never changes, so what is read is what was committed.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from modal_emulator.schedule.transfers import bring, look
from modal_emulator.store.editions import Edition, compare
from modal_emulator.store.history import Committer, Record
from modal_emulator.store.layer import telling
from modal_emulator.store.names import Creation
from modal_emulator.store.paths import show
from modal_emulator.store.tars import Source, lay_out, members, pack
from modal_emulator.store.tree import Entry
from modal_emulator.world import World

__all__ = ["Difference", "LocalVersion", "LocalVolume", "VersionRecord"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """Who made a version, when, on what, and which paths it changed."""

    number: int
    at: float
    """Seconds since 1970."""
    base: int
    """The version that its maker was looking at; for a change from outside, the one before."""
    via: str
    """commit, sync, reload, background, exit, kill or api."""
    container_id: str
    """Empty for a change from outside."""
    function: str
    call: str
    """The id of the call that the container worked on; empty if it was none, or several."""
    paths: tuple[str, ...]
    """What was written or removed; a directory only if nothing in it is named."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not the same in two versions; None where it is not there."""

    path: str
    kind: str
    """added, removed or changed."""
    before: Entry | None
    after: Entry | None


class LocalVersion:
    """One version of a volume."""

    def __init__(self, volume: "LocalVolume", number: int) -> None:
        self._volume = volume
        self.number = number

    def __repr__(self) -> str:
        """Name it."""
        return f"{self._volume!r}.at({self.number})"

    def tree(self) -> dict[str, Entry]:
        """Return everything in it by path, directories too."""
        return self._volume.look(self.number, _entries)

    def paths(self) -> list[str]:
        """Return the paths of everything in it but directories, in order."""
        return [path for path, entry in self.tree().items() if not entry.is_directory]

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        return self._volume.look(self.number, lambda e: e.locate(path).path.read_bytes())


class LocalVolume:
    """A volume by its name; it is looked up each time, so it may be made later."""

    def __init__(
        self,
        world: Callable[[], World],
        run: Callable[[Coroutine[Any, Any, Any]], Any],
        name: str,
        environment: str,
        create: bool,
    ) -> None:
        self._world = world
        self._do = run
        self._name = name
        self._environment = environment
        self._create = create

    def __repr__(self) -> str:
        """Name it."""
        return f"<Volume {self._name!r}>"

    @property
    def versions(self) -> tuple[VersionRecord, ...]:
        """All that was ever committed, the oldest first; not all of it may still be kept."""

        async def read() -> tuple[VersionRecord, ...]:
            volumes, volume_id = self._world().volumes, self._volume_id()
            return tuple(
                _record(record, telling(volumes.changed(volume_id, record.number)))
                for record in volumes.history(volume_id).versions
            )

        return self._run(read())

    @property
    def head(self) -> LocalVersion:
        """The newest version as of now."""

        async def read() -> int:
            return self._world().volumes.history(self._volume_id()).head.number

        return LocalVersion(self, self._run(read()))

    def at(self, number: int) -> LocalVersion:
        """
        Return a version; 0 is the volume before its first commit.

        Raises:
            NotFound: there is no such version, or it is not kept any more.
        """
        self.look(number, lambda edition: edition.number)
        return LocalVersion(self, number)

    def diff(self, a: int, b: int | None = None) -> tuple[Difference, ...]:
        """Return what is different in version `b`, by default the newest."""
        old, new = (self.look(number, lambda edition: edition.tree) for number in (a, b))
        return tuple(
            Difference(show(d.parts) or ".", d.kind, d.before, d.after) for d in compare(old, new)
        )

    def checkout(self, number: int, directory: str | Path) -> None:
        """Write all of a version into a new or empty directory."""
        self.look(number, lambda edition: lay_out(members(edition), Path(directory)))

    def export(self, file: str | Path | IO[bytes], version: int | None = None) -> None:
        """Write a version, by default the newest, as a tar archive; a path is overwritten."""
        if isinstance(file, str | Path):
            with Path(file).open("wb") as opened:
                return self.export(opened, version)
        return self.look(version, lambda edition: pack(edition, file))

    def import_(self, file: str | Path | IO[bytes]) -> int:
        """Add what is in a tar archive, all or nothing; returns the number of the version."""
        if isinstance(file, str | Path):
            with Path(file).open("rb") as opened:
                return self.import_(opened)
        return self._run(self._bring(file))

    def look(self, number: int | None, work: Callable[[Edition], T]) -> T:
        """Open a version, the newest without a number, do something with it, and close it."""

        async def looking() -> T:
            return await look(self._world().volumes.edition(self._volume_id(), number), work)

        return self._run(looking())

    async def _bring(self, source: Source) -> int:
        by = Committer(via="api")
        return (await bring(self._world().volumes, self._volume_id(), source, by)).number

    def _volume_id(self) -> str:
        volume = self._world().volumes.get_or_create(
            name=self._name,
            environment=self._environment,
            creation=Creation.CREATE_IF_MISSING if self._create else Creation.LOOKUP,
        )
        return volume.volume_id

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        done: T = self._do(work)
        return done


def _entries(edition: Edition) -> dict[str, Entry]:
    return dict(edition.entries("", recursive=True))


def _record(record: Record, changes: tuple[Any, ...]) -> VersionRecord:
    return VersionRecord(
        number=record.number,
        at=record.at,
        base=record.base,
        via=record.by.via,
        container_id=record.by.container_id,
        function=record.by.function,
        call=record.by.call,
        paths=tuple(show(change.parts) or "." for change in changes),
    )
