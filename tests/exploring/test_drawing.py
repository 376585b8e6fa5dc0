"""What may happen in a schedule besides the program's own steps."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import modal
import pytest

from modal_emulator import Exploration, RaceFound, explore
from modal_emulator.emulator import Running
from modal_emulator.ground.errors import Invalid

pytestmark = pytest.mark.modal(runtime="inline")

app = modal.App("drawn", include_source=False)
volume = modal.Volume.from_name("drawn", create_if_missing=True)
seen = modal.Dict.from_name("drawn", create_if_missing=True)
REMEMBERED: list[str] = []


@app.function(volumes={"/data": volume})
def write_in_two_steps() -> None:
    Path("/data/first").write_text("1")
    Path("/data/second").write_text("2")
    volume.commit()


@app.function(volumes={"/data": volume}, schedule=modal.Period(days=1))
def tidy() -> None:
    for path in Path("/data").iterdir():
        path.unlink()
    volume.commit()


@app.function(serialized=True)
def who() -> str:
    return modal.current_function_call_id() or ""


@app.function(volumes={"/data": volume})
def look() -> list[str]:
    return sorted(path.name for path in Path("/data").iterdir())


def never_the_first_alone(running: Running) -> bool:
    volume = running.volume("drawn")
    trees = [volume.at(version.number).paths() for version in volume.versions]
    return ["first"] not in [[path.lstrip("/") for path in paths] for paths in trees]


@pytest.mark.parametrize(
    ("commits", "is_whole"), [("never", True), ("always", False), ("drawn", False)]
)
def test_background_commits(modal_emulator: Running, commits: str, is_whole: bool) -> None:
    def program() -> None:
        write_in_two_steps.remote()

    def run() -> Any:
        return explore(
            program,
            app=app,
            invariant=never_the_first_alone,
            background_commits=commits,
            schedules=30,
            seed=1,
        )

    if is_whole:
        assert run()
        return
    with pytest.raises(RaceFound) as found:
        run()
    assert "background commit 'drawn'" in found.value.story


def containers(running: Running) -> int:
    return sum(e.values["step"] == "start" for e in running.journal("step"))


@pytest.mark.parametrize(("which", "counts"), [("warm", {1}), ("new", {2}), ("drawn", {1, 2})])
def test_containers(modal_emulator: Running, which: str, counts: set[int]) -> None:
    used = set()

    def note(running: Running) -> None:
        used.add(containers(running))

    def program() -> None:
        who.remote()
        who.remote()

    explore(program, app=app, invariant=note, containers=which, schedules=8, seed=1)
    assert used == counts


def test_a_cron_may_fire_between_two_steps(modal_emulator: Running) -> None:
    def program() -> None:
        write_in_two_steps.remote()
        assert look.remote() == ["first", "second"]

    assert explore(program, app=app, containers="new", schedules=1)
    with pytest.raises(RaceFound, match="cron tidy"):
        explore(program, app=app, containers="new", crons=["tidy"], schedules=50, seed=1)


def test_a_call_of_the_sdk_may_fail(modal_emulator: Running) -> None:
    def program() -> None:
        seen["a"] = 1

    with pytest.raises(RaceFound, match=r"failures +dict write 'drawn' 'a' of program"):
        explore(program, rpc_failures=1, schedules=30, seed=1)


def test_a_container_may_be_killed(modal_emulator: Running) -> None:
    with pytest.raises(RaceFound, match=r"kills +kill who#1"):
        explore(lambda: who.remote(), app=app, kills=1, schedules=20, seed=2)


def test_a_reply_may_be_lost(modal_emulator: Running) -> None:
    queue = modal.Queue.from_name("drawn-queue", create_if_missing=True)

    def program() -> None:
        with suppress(Exception):  # it takes a failure into account
            queue.put("once")

    def at_most_once() -> bool:
        return queue.len() <= 1

    assert explore(program, invariant=at_most_once, rpc_failures=1, schedules=10).exhaustive
    with pytest.raises(RaceFound) as found:
        explore(program, invariant=at_most_once, lost_replies=1, schedules=10)
    assert "the reply to queue put 'drawn-queue' of program is lost" in found.value.story
    assert found.value.story.count("queue put") == 3  # done, lost, and done again


@pytest.mark.parametrize(
    "wrong",
    [
        {"background_commits": "sometimes"},
        {"containers": "hot"},
        {"kills": -1},
        {"lost_replies": -1},
        {"mode": "all"},
        {"schedules": 0},
        {"crons": ["nobody"]},
    ],
)
def test_what_makes_no_sense_is_refused(modal_emulator: Running, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        explore(lambda: who.remote(), app=app, **wrong)


def test_nothing_else_happens_by_itself(modal_emulator: Running) -> None:
    done = explore(lambda: who.remote(), app=app, schedules=3)
    assert done == Exploration(1, True, 1.0, 3, 1)
