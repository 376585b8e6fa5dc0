"""What containers of threads do with files becomes steps, and goes on to do what it did."""

import asyncio
import gc
import io
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filework import SCRIPTS
from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.runtime.backend import Mount
from modal_emulator.runtime.inline.copied import CopiedPlaces
from modal_emulator.runtime.inline.mounted import MountedPlaces
from modal_emulator.runtime.inline.namespace import can_mount
from modal_emulator.runtime.sight import Attention
from sights import Witness
from threadyard import ThreadYard


@pytest.fixture(params=["mounted", "copied"])
def watched(request: pytest.FixtureRequest, place: Path) -> "Watched":
    if request.param == "copied":
        return Watched(ThreadYard(place, CopiedPlaces(place / "backend")))
    standing = can_mount(place.parent)
    if standing.isolation is None:
        pytest.skip(f"this process may not mount: {standing.why}")
    return Watched(ThreadYard(place, MountedPlaces(place / "backend", standing.isolation)))


class Watched:
    """Runs functions in a container with a volume at /data, and sees what they do there."""

    def __init__(self, yard: ThreadYard) -> None:
        self._yard = yard
        self.witness = Witness()

    def call(self, function: Callable[[], Any], **options: Any) -> Any:
        """Run it in a new container, and return its result."""
        volume = self._yard.volume(f"volume {len(self._yard._functions)}").layer(a_txt="one")
        (volume.layers[0] / "d").mkdir()
        (volume.layers[0] / "d" / "b.txt").write_text("two")
        mount = Mount("vo-1", "/data", volume.view(version=2, **options))

        async def run() -> Any:
            try:
                return await self._yard.call(function, mount, sight=self.witness)
            finally:
                await self._yard.close()

        return asyncio.run(run())

    def steps(self, function: Callable[[], Any], **options: Any) -> list[str]:
        """Return what the function did, in words."""
        self.call(function, **options)
        return self.witness.told()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("attention", [Attention.NOTE, Attention.HOLD])
def test_nothing_else_changes(
    watched: Watched, attention: Attention, script: Callable[[], None], monkeypatch: Any
) -> None:
    """The scripts are those of the redirection, and know nothing of being watched."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "module", raising=False)
    watched.witness.attention = attention
    watched.call(script)
    sys.modules.pop("module", None)
    sys.path_importer_cache.pop("/data", None)
    if attention is Attention.HOLD:
        assert sorted(map(str, watched.witness.begun)) == sorted(map(str, watched.witness.steps))


def opens_in_all_ways() -> None:
    path = Path("/data/a.txt")
    assert path.read_text() == "one"
    assert path.read_bytes() == b"one"
    with path.open("a") as file:
        file.write("+")
    with open(path, "r+b") as file:
        assert isinstance(file, io.BufferedRandom) and isinstance(file.raw, io.FileIO)
        assert file.mode == "rb+" and file.name == path
    with open(path, "rb", buffering=0) as raw:
        assert repr(raw).startswith("<_io.FileIO name=") and raw.read() == b"one+"
    with pytest.raises(ValueError):
        open(path, "wr")
    with pytest.raises(ValueError):
        open(path, buffering=0)
    with pytest.raises(FileExistsError):
        open(path, "x")
    with os.fdopen(os.open(path, os.O_RDONLY)) as file:
        assert file.read() == "one+"
    with pytest.raises(TypeError):
        pickle.dumps(open(path))


def test_every_open_is_a_step_and_every_close(watched: Watched) -> None:
    told = watched.steps(opens_in_all_ways)
    gc.collect()
    count = {name: told.count(f"{name} a.txt") for name in ("read", "write", "close")}
    assert count == {"read": 6, "write": 3, "close": 8}  # one could not be opened
    assert watched.witness.errors == ["write a.txt: File exists"]


def works_on_names() -> None:
    os.makedirs("/data/new/deep")
    os.rename("/data/a.txt", "/data/new/a.txt")
    shutil.copy("/data/new/a.txt", "/data/copy.txt")
    os.utime("/data/copy.txt")
    os.truncate("/data/copy.txt", 1)
    os.unlink("/data/copy.txt")
    os.path.exists("/data/nothing")
    os.listdir("/data")
    os.symlink("/data/d", "/data/link")
    shutil.rmtree("/data/new")


def test_names_are_those_in_the_volume(watched: Watched) -> None:
    told = watched.steps(works_on_names)
    for step in (
        "make new",
        "make new/deep",
        "rename a.txt to new/a.txt",
        "read new/a.txt",
        "write copy.txt",
        "close copy.txt",
        "change copy.txt",
        "remove copy.txt",
        "look nothing",
        "list",
        "make link",
        # What `rmtree` does, it does by open directories.
        "remove new/a.txt",
        "remove new/deep",
        "remove new",
    ):
        assert step in told, step
    assert "look nothing: No such file or directory" in watched.witness.errors
    by_here = {step.where[-1].split(" in ")[1] for step in watched.witness.steps}
    assert by_here == {"works_on_names"}
    assert {step.object_id for step in watched.witness.steps} == {"vo-1"}


def goes_other_ways() -> None:
    os.makedirs("/root/way", exist_ok=True)
    os.symlink("/data/d", "/root/way/link")
    Path("/root/way/link/b.txt").read_text()
    os.chdir("/data/d")
    Path("../a.txt").read_text()
    Path("/data/d/.././a.txt").unlink()
    Path("/__modal/volumes/vo-1/d/b.txt").unlink()
    Path("/root/way/own.txt").write_text("not in a volume")


def test_all_ways_that_lead_to_a_file(watched: Watched) -> None:
    assert watched.steps(goes_other_ways) == [
        "read d/b.txt",
        "close d/b.txt",
        "read a.txt",
        "close a.txt",
        "remove a.txt",
        "remove d/b.txt",
    ]


def test_paths_of_a_part_are_those_of_the_whole(watched: Watched) -> None:
    told = watched.steps(lambda: Path("/data/b.txt").read_text(), sub_path="d")
    assert told == ["read d/b.txt", "close d/b.txt"]


def uses_libraries() -> None:
    with sqlite3.connect("/data/db.sqlite") as base:
        base.execute("create table t (x)")
    base.close()
    with tempfile.NamedTemporaryFile(dir="/data", suffix=".tmp") as file:
        file.write(b"x")
    subprocess.run(["true", "argument"], check=True)


def test_libraries_programs_and_temporary_files(watched: Watched) -> None:
    told = watched.steps(uses_libraries)
    assert told[0] == "write db.sqlite"
    temporary = [step.partition(" ")[0] for step in told if step.endswith(".tmp")]
    assert temporary == ["write", "close", "remove"]
    (program,) = (step for step in watched.witness.steps if step.kind is Kind.RUN)
    assert program.arguments == ("true", "argument") and "argument" not in repr(program)


def repeats() -> None:
    for _ in range(100):
        os.path.exists("/data/flag")
    Path("/data/flag").touch()


def test_what_is_told_again_and_again_is_told_once_in_an_epoch(watched: Watched) -> None:
    assert watched.steps(repeats).count("look flag") == 1

    def later() -> None:
        watched.witness.steps.clear()
        for epoch in range(3):
            watched.witness.epoch = epoch + 10
            os.path.exists("/data/flag")

    assert watched.steps(later).count("look flag") == 3


def unpacks() -> None:
    for number in range(1100):
        os.mkdir(f"/data/{number}")
    os.mkdir("/data/last")


def test_a_line_that_goes_on_and_on_tells_of_its_first_thousand(watched: Watched) -> None:
    told = watched.steps(unpacks)
    assert (told[-2], told[-1], len(told)) == ("make 999", "make last", 1001)


def test_attention_may_change_while_code_runs(watched: Watched) -> None:
    def changes() -> None:
        for attention in (Attention.OFF, Attention.HOLD, Attention.NOTE, Attention.OFF):
            watched.witness.attention = attention
            Path(f"/data/{attention.name}").write_text("")

    told = watched.steps(changes)
    assert [step for step in told if step.startswith("write")] == ["write HOLD", "write NOTE"]
    assert [step.path for step in watched.witness.begun] == ["HOLD", "HOLD"]


def test_who_holds_can_have_it_fail_or_look_before_and_after(watched: Watched) -> None:
    there = list[tuple[Moment, bool]]()

    def on_hold(step: Step, moment: Moment) -> None:
        if step.kind is Kind.REMOVE:
            raise OSError(28, "No space left on device")
        if step.kind is Kind.RENAME:
            there.append((moment, names.exists()))

    names = Path("/data/b.txt")

    def moves() -> None:
        watched.witness.attention = Attention.HOLD
        watched.witness.on_hold = on_hold
        os.replace("/data/a.txt", "/data/b.txt")
        with pytest.raises(OSError, match="No space"):
            os.remove("/data/b.txt")
        watched.witness.attention = Attention.OFF
        assert names.exists()

    told = watched.steps(moves)
    assert "rename a.txt to b.txt" in told and "remove b.txt" not in told
    assert there == [(Moment.BEFORE, False), (Moment.AFTER, True)]


def test_code_outside_of_containers_is_not_seen(watched: Watched, tmp_path: Path) -> None:
    opened = list[Any]()

    def leaves() -> None:
        opened.append(open("/data/a.txt"))

    assert watched.steps(leaves) == ["read a.txt"]
    (tmp_path / "a.txt").write_text("outside")
    opened.pop().close()
    assert watched.witness.told() == ["read a.txt", "close a.txt"]
