"""
A volume of a running emulator, looked at from outside: its versions, and what each of them holds.

For tests and scripts, on any thread but the emulator's own. Nothing here mounts or locks: a
version never changes, so what is read is what was committed, and each change from here makes a
version of its own, as one from any client does.
"""

import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeVar

from modal_emulator.contents import (
    Content,
    Expected,
    Link,
    explain,
    members,
    mismatches,
    read_tree,
)
from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.records import Difference, VersionRecord, last_to_change, told
from modal_emulator.schedule.transfers import bring, look
from modal_emulator.store.arrivals import directory_members
from modal_emulator.store.editions import Edition, compare
from modal_emulator.store.history import Committer
from modal_emulator.store.layer import telling
from modal_emulator.store.names import Creation
from modal_emulator.store.paths import parse, show
from modal_emulator.store.tars import Member, lay_out, pack, read
from modal_emulator.store.tars import members as all_of
from modal_emulator.store.tree import Entry
from modal_emulator.world import World

__all__ = ["Difference", "Link", "LocalVersion", "LocalVolume", "VersionRecord"]

T = TypeVar("T")


class LocalVersion:
    """One version of a volume."""

    def __init__(self, volume: "LocalVolume", number: int) -> None:
        self._volume = volume
        self.number = number

    def __repr__(self) -> str:
        """Name it."""
        return f"{self._volume!r}.at({self.number})"

    def tree(self) -> dict[str, Content]:
        """Return what it holds by path; see `LocalVolume.tree`."""
        __tracebackhide__ = True
        return self._volume.look(self.number, read_tree)

    def entries(self) -> dict[str, Entry]:
        """Return kind, size, time and mode of everything in it by path, directories too."""
        __tracebackhide__ = True
        return self._volume.look(self.number, _entries)

    def paths(self) -> list[str]:
        """Return the paths of everything in it but directories, in order."""
        __tracebackhide__ = True
        return self._volume.look(self.number, _paths)

    def exists(self, path: str) -> bool:
        """Say whether a file, a directory or a link has this path."""
        __tracebackhide__ = True
        return self._volume.look(self.number, lambda e: e.tree.get(parse(path)) is not None)

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        __tracebackhide__ = True
        return self._volume.look(self.number, lambda e: e.locate(path).path.read_bytes())

    def read_text(self, path: str, encoding: str = "utf-8") -> str:
        """Return what a file holds, as text."""
        __tracebackhide__ = True
        return self.read(path).decode(encoding)

    def assert_tree(self, expected: Mapping[str, Expected], *, exact: bool = True) -> None:
        """Fail unless it holds this; see `LocalVolume.assert_tree`."""
        __tracebackhide__ = True
        self._volume.check(self.number, expected, exact=exact)


class LocalVolume:
    """A volume by its name; it is looked up each time, so it may be made later."""

    def __init__(
        self,
        world: Callable[[], World],
        run: Callable[[Coroutine[Any, Any, Any]], Any],
        name: str,
        environment: str,
        create: bool,
        version: int | None = None,
    ) -> None:
        self._world = world
        self._do = run
        self._name = name
        self._environment = environment
        self._create = create
        self._version = version

    def __repr__(self) -> str:
        """Name it."""
        return f"<Volume {self._name!r}>"

    @property
    def versions(self) -> tuple[VersionRecord, ...]:
        """All that was ever committed, the oldest first; not all of it may still be kept."""
        __tracebackhide__ = True

        async def read() -> tuple[VersionRecord, ...]:
            volumes, volume_id = self._world().volumes, self._volume_id()
            return tuple(
                told(record, telling(volumes.changed(volume_id, record.number)))
                for record in volumes.history(volume_id).versions
            )

        return self._run(read())

    @property
    def head(self) -> LocalVersion:
        """The newest version as of now."""
        __tracebackhide__ = True

        async def read() -> int:
            return self._world().volumes.history(self._volume_id()).head.number

        return LocalVersion(self, self._run(read()))

    def at(self, number: int) -> LocalVersion:
        """
        Return a version; 0 is the volume before its first commit.

        Raises:
            NotFound: there is no such version, or it is not kept any more.
        """
        __tracebackhide__ = True
        self.look(number, lambda edition: edition.number)
        return LocalVersion(self, number)

    def diff(self, a: int, b: int | None = None) -> tuple[Difference, ...]:
        """Return what is different in version `b`, by default the newest."""
        __tracebackhide__ = True
        old, new = (self.look(number, lambda edition: edition.tree) for number in (a, b))
        return tuple(
            Difference(show(d.parts) or ".", d.kind, d.before, d.after) for d in compare(old, new)
        )

    def checkout(self, number: int, directory: str | Path) -> None:
        """Write all of a version into a new or empty directory."""
        __tracebackhide__ = True
        self.look(number, lambda edition: lay_out(all_of(edition), Path(directory)))

    def export(self, file: str | Path | IO[bytes], version: int | None = None) -> None:
        """Write a version, by default the newest, as a tar archive; a path is overwritten."""
        __tracebackhide__ = True
        if isinstance(file, str | Path):
            with Path(file).open("wb") as opened:
                return self.export(opened, version)
        return self.look(version, lambda edition: pack(edition, file))

    def import_(self, file: str | Path | IO[bytes]) -> int:
        """Add what is in a tar archive, all or nothing; returns the number of the version."""
        __tracebackhide__ = True
        if isinstance(file, str | Path):
            with Path(file).open("rb") as opened:
                return self.import_(opened)
        return self._add(lambda _: read(file), create=self._create)

    def write(
        self,
        path: str | Mapping[str, Content],
        content: Content = "",
        *,
        mtime: float | None = None,
    ) -> int:
        """
        Write a file, or several by their paths, in one version; returns its number.

        The volume is made when it is missing, and so are directories. Text is UTF-8; a `Link` is a
        symbolic link; None makes a directory. `mtime` is in seconds since 1970, by default now.
        """
        __tracebackhide__ = True
        files = {path: content} if isinstance(path, str) else dict(path)
        found = members(files, 0)

        def dated(now: float) -> Iterable[Member]:
            time_ns = int((now if mtime is None else mtime) * 1e9)
            return [replace(m, entry=replace(m.entry, mtime_ns=time_ns)) for m in found]

        return self._add(dated, create=True)

    def seed(self, directory: str | Path) -> int:
        """
        Add all that is in a directory of this machine, in one version; returns its number.

        The volume is made when it is missing. Modes, times and links are kept.
        """
        __tracebackhide__ = True
        source = Path(directory).absolute()
        if not source.is_dir():
            raise NotADirectoryError(f"{source} is not a directory")
        return self._add(lambda _: directory_members(source), create=True)

    def remove(self, path: str, *, recursive: bool = False) -> int:
        """Remove a file, or a directory with all it holds; returns the number of the version."""
        __tracebackhide__ = True

        async def removing() -> int:
            volumes, volume_id = self._world().volumes, self._volume_id()
            return volumes.remove(volume_id, path, recursive=recursive, by=_tester()).number

        return self._run(removing())

    def exists(self, path: str = "") -> bool:
        """Say whether something has this path; without one, whether there is a volume."""
        __tracebackhide__ = True
        try:
            return self.look(None, lambda edition: edition.tree.get(parse(path)) is not None)
        except NotFound:
            return False

    def read(self, path: str) -> bytes:
        """Return what a file holds in the newest version."""
        __tracebackhide__ = True
        return self.look(None, lambda edition: edition.locate(path).path.read_bytes())

    def read_text(self, path: str, encoding: str = "utf-8") -> str:
        """Return what a file holds in the newest version, as text."""
        __tracebackhide__ = True
        return self.read(path).decode(encoding)

    def paths(self) -> list[str]:
        """Return the paths of everything in the newest version but directories, in order."""
        __tracebackhide__ = True
        return self.look(None, _paths)

    def tree(self) -> dict[str, Content]:
        """
        Return what the newest version holds, by path; `write` takes the same.

        A file is a str if it is UTF-8 without NUL, else bytes; a symbolic link is a `Link`. Of the
        directories only the empty ones are there, as None and with a slash at the end.
        """
        __tracebackhide__ = True
        return self.look(None, read_tree)

    def assert_tree(self, expected: Mapping[str, Expected], *, exact: bool = True) -> None:
        """
        Fail, telling what is different, unless the newest version holds this and nothing else.

        What is expected is as `tree` has it; bytes may stand for text too, and `...` for whatever
        is there. If not `exact`, there may be more.
        """
        __tracebackhide__ = True
        self.check(None, expected, exact=exact)

    def check(self, number: int | None, expected: Mapping[str, Expected], *, exact: bool) -> None:
        """Do as `assert_tree` with a version, the newest without a number."""
        __tracebackhide__ = True
        wanted = dict(expected)
        seen, wrong = self.look(
            number, lambda edition: (edition.number, mismatches(edition, wanted, exact=exact))
        )
        if wrong:
            past = [record for record in self.versions if record.number <= seen]
            title = f"Volume {self._name!r}, version {seen},"
            raise AssertionError(explain(title, wrong, lambda path: last_to_change(past, path)))

    def look(self, number: int | None, work: Callable[[Edition], T]) -> T:
        """Open a version, the newest without a number, do something with it, and close it."""
        __tracebackhide__ = True

        async def looking() -> T:
            return await look(self._world().volumes.edition(self._volume_id(), number), work)

        return self._run(looking())

    def _add(self, found: Callable[[float], Iterable[Member]], *, create: bool) -> int:
        """Add these members, which may depend on what time it is."""
        __tracebackhide__ = True
        by = _tester()

        async def adding() -> int:
            world = self._world()
            volume_id = self._volume_id(create=create)
            return (await bring(world.volumes, volume_id, found(world.clock.now()), by)).number

        return self._run(adding())

    def _volume_id(self, *, create: bool = False) -> str:
        volume = self._world().volumes.get_or_create(
            name=self._name,
            environment=self._environment,
            creation=Creation.CREATE_IF_MISSING if create or self._create else Creation.LOOKUP,
            version=self._version,
        )
        if self._version not in (None, volume.version):
            raise Invalid(f"Volume '{self._name}' has version {volume.version}")
        return volume.volume_id

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        __tracebackhide__ = True
        done: T = self._do(work)
        return done


def _tester() -> Committer:
    """Return who changes a volume from here: the test of the moment, as pytest tells it."""
    test, _, _ = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")
    return Committer(via="api", function=test)


def _paths(edition: Edition) -> list[str]:
    return [path for path, entry in _entries(edition).items() if not entry.is_directory]


def _entries(edition: Edition) -> dict[str, Entry]:
    return dict(edition.entries("", recursive=True))
