import asyncio
import mmap
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fakes import FakeContainer, ManualClock, settle
from modal_emulator.ground.errors import Conflict, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import OpenFiles
from modal_emulator.schedule.after_kill import AfterKill
from modal_emulator.schedule.background import commit_in_background
from modal_emulator.schedule.commits import LIGHT, Commits, MountPoint
from modal_emulator.schedule.faults import Faults, Planned
from modal_emulator.schedule.faults.words import plan_of
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.steps import Steps
from modal_emulator.store import changes
from modal_emulator.store.content import Content
from modal_emulator.store.environments import Environments
from modal_emulator.store.history import Committer, Record
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.names import Creation, Names
from modal_emulator.store.volumes import Volumes


class Stage:
    """Volumes on disk, and containers whose writing is done by hand."""

    def __init__(self, directory: Path, limits: VolumeLimits | None = None) -> None:
        self.clock = ManualClock()
        ids = Ids(seed=5, salt="s")
        ledger = Ledger(None)
        names = Names(ledger, self.clock, ids)
        self.journal = Journal(self.clock)
        self.volumes = Volumes(
            ledger=ledger,
            names=names,
            environments=Environments(ledger, names, self.clock, ids),
            directory=directory / "volumes",
            content=Content(directory / "content"),
            clock=self.clock,
            ids=ids,
            journal=self.journal,
            limits=limits or VolumeLimits(),
        )
        self.mount(1, AfterKill.OBSERVED)

    def mount(self, version: int, after_kill: AfterKill) -> None:
        """Let containers mount a volume of this version from here on."""
        self.volume_id = self.volumes.get_or_create(
            name=f"v{version}",
            environment="",
            creation=Creation.CREATE_IF_MISSING,
            version=version,
        ).volume_id
        self.faults = Faults(lambda _: "", self.clock, self.journal, Ids())
        self.commits = Commits(self.volumes, self.journal, after_kill, self.faults)

    def container(self, container_id: str, *, read_only: bool = False) -> "Writer":
        point = MountPoint(self.volume_id, "/data", read_only)
        (mount,) = self.commits.prepare(container_id, (point,))
        writer = Writer(self, container_id)
        writer.seen = mount.view
        self.commits.started(
            writer, lambda via: Committer(container_id=container_id, function="f", via=via)
        )
        return writer

    def last_record(self) -> Record:
        history = self.volumes.history(self.volume_id)
        return history.records[history.head.number]

    def listing(self) -> list[str]:
        return [p for p, _ in self.volumes.entries(self.volume_id, "", recursive=True)]


class Writer(FakeContainer):
    def __init__(self, stage: Stage, container_id: str) -> None:
        super().__init__(container_id)
        self.stage = stage

    def write(self, name: str, text: str = "x") -> None:
        assert self.seen is not None
        (self.seen.changes / name).write_text(text)

    async def commit(self, via: str = "commit") -> None:
        await self.stage.commits.commit(self.container_id, self.stage.volume_id, via)

    async def reload(self) -> None:
        await self.stage.commits.reload(self.container_id, self.stage.volume_id)


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    def play(body: Callable[[Stage], Awaitable[None]], limits: VolumeLimits | None = None) -> None:
        async def run() -> None:
            stage = Stage(tmp_path, limits)
            await body(stage)
            await stage.commits.close()

        asyncio.run(run())

    return play


def test_a_commit_publishes_what_was_written_and_says_who(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        one.write("a.txt")
        assert stage.listing() == []
        await one.commit()
        assert stage.listing() == ["a.txt"]
        by = stage.last_record().by
        assert (by.container_id, by.function, by.via) == ("ta-1", "f", "commit")
        assert one.did == ["collect"]

    play(body)


def test_a_commit_does_not_show_what_others_committed_and_a_reload_does(play):
    async def body(stage: Stage) -> None:
        one, two = stage.container("ta-1"), stage.container("ta-2")
        before = two.seen
        one.write("a.txt")
        await one.commit()
        await two.commit()
        assert two.seen is before

        two.write("b.txt")
        await two.reload()
        assert two.did[-3:] == ["detach", "collect", "attach"]
        assert stage.listing() == ["a.txt", "b.txt"]
        assert two.seen is not None and len(two.seen.layers) == 2
        assert list(two.seen.changes.iterdir()) == []
        assert stage.journal.events("volume.reload")[-1].values["version"] == 2

    play(body)


def test_a_held_volume_refuses_the_reload_and_keeps_its_changes(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        one.write("a.txt")
        one.held = True
        with pytest.raises(OpenFiles, match=r"^there are open files preventing the operation$"):
            await one.reload()
        assert stage.listing() == [] and one.did == ["detach"]
        await one.commit()
        assert stage.listing() == ["a.txt"]

    play(body)


@pytest.mark.parametrize("container_id", [None, "ta-unknown"])
def test_outside_a_container_that_mounts_it_modals_words_are_said(play, container_id):
    async def body(stage: Stage) -> None:
        with pytest.raises(Conflict, match=r"commit\(\) can only be called on a mounted volume"):
            await stage.commits.commit(container_id, stage.volume_id, "commit")
        with pytest.raises(Conflict, match=r"reload\(\) can only be called from within a running"):
            await stage.commits.reload(container_id, stage.volume_id)
        with pytest.raises(NotFound, match="No Volume with ID 'vo-x' found"):
            await stage.commits.commit(container_id, "vo-x", "commit")

    play(body)


def test_a_read_only_mount_commits_nothing_and_can_reload(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1", read_only=True)
        assert stage.commits.volumes_of("ta-1") == ()
        await one.commit()
        await one.reload()
        assert stage.volumes.history(stage.volume_id).head.number == 0
        assert one.seen is not None and one.seen.read_only

    play(body)


def test_what_a_container_did_not_commit_goes_with_it(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        one.write("a.txt")
        changes = one.seen.changes
        await stage.commits.ended("ta-1")
        assert not changes.exists() and stage.listing() == []
        with pytest.raises(Conflict):
            await one.commit()

    play(body)


@pytest.mark.parametrize(
    ("after", "version", "kept"),
    [
        (AfterKill.OBSERVED, 1, False),
        (AfterKill.OBSERVED, 2, True),
        (AfterKill.LOST, 1, False),
        (AfterKill.LOST, 2, False),
        (AfterKill.KEPT, 1, True),
        (AfterKill.KEPT, 2, True),
    ],
)
def test_what_a_killed_container_leaves_hangs_on_the_setting(play, after, version, kept):
    async def body(stage: Stage) -> None:
        stage.mount(version, after)
        one = stage.container("ta-1")
        one.write("a.txt")
        await one.commit()
        one.write("b.txt")
        keeping = stage.commits.ended("ta-1", abrupt=True)
        if keeping is not None:
            await keeping
        assert stage.listing() == (["a.txt", "b.txt"] if kept else ["a.txt"])
        assert stage.last_record().by.via == ("kill" if kept else "commit")
        assert not one.seen.changes.exists()

    play(body)


def test_after_an_end_in_order_nothing_is_kept(play):
    async def body(stage: Stage) -> None:
        stage.mount(2, AfterKill.KEPT)
        one = stage.container("ta-1")
        one.write("a.txt")
        await stage.commits.ended("ta-1")
        assert stage.listing() == []
        (event,) = stage.journal.events("volume.lost")
        assert (event.values["container_id"], event.values["paths"]) == ("ta-1", "a.txt")

    play(body)


def test_what_is_kept_of_a_deleted_volume_is_dropped(play):
    async def body(stage: Stage) -> None:
        stage.mount(2, AfterKill.KEPT)
        one, two = stage.container("ta-1"), stage.container("ta-2")
        one.write("a.txt")
        two.write("a.txt")
        keeping = stage.commits.ended("ta-1", abrupt=True)
        stage.volumes.delete(stage.volume_id)
        await keeping
        (event,) = stage.journal.events("volume.kill-commit-failed")
        assert stage.volume_id in event.values["error"]
        await stage.commits.ended("ta-2", abrupt=True)
        assert not one.seen.changes.exists() and not two.seen.changes.exists()

    play(body)


def test_when_everything_ends_nothing_is_kept(play):
    async def body(stage: Stage) -> None:
        stage.mount(2, AfterKill.KEPT)
        one = stage.container("ta-1")
        stage.container("ta-2").write("b.txt")
        one.write("a.txt")
        keeping = stage.commits.ended("ta-1", abrupt=True)
        stage.commits.closing()
        assert stage.commits.ended("ta-2", abrupt=True) is None
        await keeping
        assert stage.listing() == []
        assert not one.seen.changes.exists()

    play(body)


def test_a_commit_is_finished_when_its_caller_and_its_container_go(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        one.write("a.txt")
        asking = asyncio.ensure_future(one.commit())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        stage.commits.ended("ta-1")
        await stage.commits.close()
        assert stage.listing() == ["a.txt"]
        assert not one.seen.changes.exists()

    play(body)


def test_layers_are_merged_beside_the_commits(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        for n in range(12):
            one.write(f"{n:02}.txt")
            await one.commit()
            await stage.commits.close()
        head = stage.volumes.history(stage.volume_id).head
        assert head.number == 12 and len(head.layers) < 6
        assert stage.listing() == [f"{n:02}.txt" for n in range(12)]

    play(body, VolumeLimits(layers=6))


def test_what_is_gone_is_deleted_beside_the_commits(play, tmp_path):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        gone = tmp_path / "volumes" / "trash" / "7"
        gone.mkdir(parents=True)
        (gone / "file").touch()
        one.write("a.txt")
        await one.commit()
        await stage.commits.close()
        assert not gone.exists()

    play(body)


def test_background_commits_come_at_their_interval(play):
    async def body(stage: Stage) -> None:
        class Dispatcher:
            def workers(self) -> list[FakeContainer]:
                return [one]

        one = stage.container("ta-1")
        settling = Settling(stage.clock, stage.journal)
        settling.changed("ta-1")
        work = commit_in_background(
            Dispatcher(),
            stage.commits,
            stage.clock,
            settling,
            stage.journal,
            Steps(settling, stage.journal),
            interval=5.0,
        )
        running = asyncio.ensure_future(work)
        await settle()
        one.write("a.txt")
        await stage.clock.advance(4.9)
        assert stage.listing() == []
        await stage.clock.advance(0.2)
        await stage.commits.close()
        assert stage.listing() == ["a.txt"]
        assert stage.last_record().by.via == "background"
        running.cancel()

    play(body)


def test_without_an_interval_there_are_none(play):
    async def body(stage: Stage) -> None:
        await commit_in_background(
            None, stage.commits, stage.clock, None, stage.journal, None, interval=0
        )

    play(body)


# -------------------------------------------------------------------- commits that copy nothing


def write_much(one: Writer) -> None:
    for number in range(LIGHT.files + 1):
        one.write(f"{number}.txt")


def test_a_large_commit_takes_the_files_over_while_the_container_stands_still(play):
    async def body(stage: Stage) -> None:
        one, two = stage.container("ta-1"), stage.container("ta-2")
        two.write("theirs.txt")
        await two.commit()
        write_much(one)
        inode = (one.seen.changes / "7.txt").stat().st_ino
        before = one.seen
        await one.commit()
        assert one.did == ["collect", "pause", "attach"]
        assert len(stage.listing()) == LIGHT.files + 2
        assert stage.volumes.locate(stage.volume_id, "7.txt").path.stat().st_ino == inode
        # It goes on in another room and sees what it wrote, but not what others committed.
        assert one.seen.changes != before.changes and list(one.seen.changes.iterdir()) == []
        assert not before.changes.exists()
        assert not any((layer / "theirs.txt").exists() for layer in one.seen.layers)
        one.write("more.txt")
        await one.commit()
        # The file; not the directory that it is in, which no instant has passed for.
        assert stage.last_record().changed == 1

    play(body)


def test_a_large_commit_of_a_held_volume_is_copied(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        write_much(one)
        one.held, before = True, one.seen
        await one.commit()
        assert one.did == ["collect", "pause"]
        assert one.seen is before
        assert len(stage.listing()) == LIGHT.files + 1

    play(body)


def test_a_container_that_cannot_be_stopped_is_not(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        one.can_pause = False
        write_much(one)
        await one.commit()
        assert one.did == ["collect"]
        assert len(stage.listing()) == LIGHT.files + 1

    play(body)


def test_a_large_commit_that_is_refused_leaves_the_view_as_it_was(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        write_much(one)
        before = one.seen
        with pytest.raises(Conflict, match="No space left on device"):
            await one.commit()
        assert one.did == ["collect", "pause", "attach"]
        assert one.seen == before and stage.listing() == []

    play(body, VolumeLimits(v1_inodes=10))


def test_a_reload_copies_nothing(play):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        one.write("a.txt")
        inode = (one.seen.changes / "a.txt").stat().st_ino
        await one.reload()
        assert stage.volumes.locate(stage.volume_id, "a.txt").path.stat().st_ino == inode

    play(body)


@pytest.mark.parametrize("large", [False, True])
def test_a_commit_that_fails_on_purpose_leaves_everything_pending(play, large):
    async def body(stage: Stage) -> None:
        one = stage.container("ta-1")
        stage.faults.add(plan_of("commit_fails", {"times": 2, "path": "*.txt"}, ()))
        await one.commit()  # has nothing to say, and so nothing to fail at
        one.write("a.txt", "first")
        if large:
            write_much(one)
        rooms = set(one.seen.changes.parent.parent.iterdir())
        with pytest.raises(Planned, match="failed to publish commit to server"):
            await one.commit()
        assert set(one.seen.changes.parent.parent.iterdir()) == rooms  # of what was staged, nothing
        one.write("a.txt", "second")
        with pytest.raises(Planned):
            await one.reload()
        assert stage.listing() == [] and stage.faults.left() == ()
        assert (one.seen.changes / "a.txt").read_text() == "second"

        await one.reload()
        assert len(stage.listing()) == (LIGHT.files + 2 if large else 1)
        assert stage.volumes.locate(stage.volume_id, "a.txt").path.read_text() == "second"

    play(body)


def test_a_commit_after_a_kill_can_fail_too(play):
    async def body(stage: Stage) -> None:
        stage.mount(2, AfterKill.KEPT)
        one = stage.container("ta-1")
        one.write("a.txt")
        stage.faults.add(plan_of("commit_fails", {"function": "f"}, ()))
        await stage.commits.ended("ta-1", abrupt=True)
        assert stage.listing() == []
        assert len(stage.journal.events("volume.kill-commit-failed")) == 1
        assert not one.seen.changes.exists()

    play(body)


def test_what_was_stored_through_memory_is_told_until_a_commit_took_it(play, monkeypatch):
    async def body(stage: Stage) -> None:
        one, asked = stage.container("ta-1"), []
        real = stage.volumes.stage

        def watch(checkout, budget, stored):
            asked.append(set(stored))
            if len(asked) == 1:
                raise OSError(28, "No space left on device")
            return real(checkout, budget, stored)

        monkeypatch.setattr(stage.volumes, "stage", watch)
        one.stored = frozenset({1})
        with pytest.raises(OSError, match="No space"):
            await one.commit()
        one.stored = frozenset({2})
        await one.commit()
        one.stored = frozenset()
        await one.commit()
        assert asked == [{1}, {1, 2}, set()]

    play(body)


def test_after_a_kill_what_was_known_to_be_mapped_is_compared(play):
    async def body(stage: Stage) -> None:
        stage.mount(2, AfterKill.KEPT)
        one = stage.container("ta-1")
        one.write("a.txt", "old")
        path = one.seen.changes / "a.txt"
        one.stored = frozenset({path.stat().st_ino})
        await one.commit()
        stamps = path.stat()
        with path.open("r+b") as file:
            mmap.mmap(file.fileno(), 3)[:] = b"new"
        os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
        await stage.commits.ended("ta-1", abrupt=True)
        assert stage.volumes.locate(stage.volume_id, "a.txt").path.read_text() == "new"

    play(body)


def test_after_a_kill_only_what_is_new_is_kept(play, monkeypatch):
    """What the container had committed before may have been overwritten by others since."""
    monkeypatch.setattr(changes, "_RACY_NS", -(1 << 62))

    async def body(stage: Stage) -> None:
        stage.mount(2, AfterKill.KEPT)
        one, two = stage.container("ta-1"), stage.container("ta-2")
        one.write("a.txt", "from one")
        await one.commit()
        two.write("a.txt", "from two, later")
        await two.commit()
        one.write("b.txt")
        await stage.commits.ended("ta-1", abrupt=True)
        assert stage.listing() == ["a.txt", "b.txt"]
        assert stage.volumes.locate(stage.volume_id, "a.txt").path.read_text() == "from two, later"

    play(body)
