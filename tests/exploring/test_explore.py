import asyncio
import threading
from pathlib import Path
from typing import Any

import modal
import pytest

from modal_emulator import Exploration, RaceFound, explore
from modal_emulator.emulator import Running

pytestmark = pytest.mark.modal(runtime="inline")

FILE = Path("/data/numbers")

app = modal.App("explored", include_source=False)
volume = modal.Volume.from_name("explored", create_if_missing=True)
locks = modal.Dict.from_name("explored", create_if_missing=True)


@app.function(volumes={"/data": volume})
def add(number: int) -> None:
    volume.reload()
    numbers = FILE.read_text() if FILE.exists() else ""
    FILE.write_text(f"{numbers}{number} ")
    volume.commit()


@app.function(volumes={"/data": volume})
def keep(number: int) -> None:
    Path(f"/data/{number}").touch()
    volume.commit()


@app.function()
def fail_second() -> None:
    assert locks.pop("first", False), "I am the second"


def two_at_once(function: Any) -> None:
    calls = [function.spawn(1), function.spawn(2)]
    for call in calls:
        call.get()


def both_are_there(running: Running) -> None:
    assert running.volume("explored").read_text("numbers").split() in (["1", "2"], ["2", "1"])


def test_a_lost_update_is_found_and_replayed(modal_emulator: Running) -> None:
    def program() -> None:
        two_at_once(add)

    with pytest.raises(RaceFound, match="commit 'explored'") as found:
        explore(program, invariant=both_are_there, app=app, seed=1)
    assert isinstance(found.value.__cause__, AssertionError)
    assert "test_explore.py" in found.value.story

    with pytest.raises(RaceFound) as again:
        explore(program, invariant=both_are_there, app=app, replay=found.value.token)
    assert again.value.story == found.value.story
    assert again.value.schedules_run == 1


@pytest.mark.modal(findings={"default": "off", "lost update": "fail"})
def test_a_finding_that_fails_tests_fails_schedules(modal_emulator: Running) -> None:
    with pytest.raises(RaceFound, match="lost update: ") as found:
        explore(lambda: two_at_once(add), app=app, seed=1)
    assert "commit 'explored'" in found.value.story
    modal_emulator.reset()  # the finding would fail this test as well


def test_what_is_right_passes_all_schedules(modal_emulator: Running) -> None:
    def invariant(running: Running) -> bool:
        return {"1", "2"} == {path.lstrip("/") for path in running.volume("explored").tree()}

    done = explore(lambda: two_at_once(keep), invariant=invariant, app=app, containers="new")

    assert done == Exploration(done.schedules, True, 1.0, 3, 4)
    assert 3 <= done.schedules <= 6


def test_the_exception_of_a_program_is_a_failure(modal_emulator: Running) -> None:
    with pytest.raises(RaceFound, match="I am the second") as found:
        explore(
            lambda: two_at_once_of_nothing(),
            app=app,
            setup=lambda: locks.put("first", True),
            seed=1,
        )
    assert found.value.schedules_run == 1


def test_a_failing_schedule_is_told_as_it_was_found(modal_emulator: Running) -> None:
    with pytest.raises(RaceFound) as found:
        explore(two_at_once_of_nothing, app=app, seed=1, shrink=False)
    assert found.value.exploration.shrinking == 0


def two_at_once_of_nothing() -> None:
    for call in [fail_second.spawn(), fail_second.spawn()]:
        call.get()


@explore(app=app, schedules=2)
@pytest.mark.parametrize("number", [1, 2])
def test_a_decorated_test_takes_fixtures(number: int, tmp_path: Path) -> None:
    assert tmp_path.is_dir()
    keep.remote(number)


@explore(app=app, schedules=1, invariant=lambda running: running.volume("explored").exists("3"))
async def test_a_program_may_be_asynchronous() -> None:
    await keep.remote.aio(3)


def test_tasks_of_a_program_are_steps_apart(modal_emulator: Running) -> None:
    async def program() -> None:
        await asyncio.gather(add.remote.aio(1), add.remote.aio(2))

    with pytest.raises(RaceFound) as found:
        explore(program, invariant=both_are_there, app=app, containers="new", seed=3)
    assert {"add#1", "add#2"} <= set(found.value.story.split())


def test_what_goes_on_for_ever_is_told(
    modal_emulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modal_emulator.races.schedule.LONGEST", 5)
    queue = modal.Queue.from_name("explored", create_if_missing=True)

    with pytest.raises(RaceFound, match=r"Endless|Deadlock"):
        explore(lambda: queue.get(), schedules=1)
    assert "modal program" not in {thread.name for thread in threading.enumerate()}


def test_a_run_tells_what_was_explored(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import modal
        from modal_emulator import explore

        seen = modal.Dict.from_name("seen", create_if_missing=True)

        @explore
        def test_nothing_to_choose():
            seen["a"] = 1

        @explore(invariant=lambda: False, schedules=3)
        def test_bad():
            seen["a"] = 1
        """
    )
    result = pytester.runpytest_subprocess("--modal-runtime=inline", "--modal-schedules=2")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*RaceFound: AssertionError: the invariant does not hold",
            "*program*dict write 'seen'*",
            "*pytest *::test_bad* --modal-replay=s1*",
            "*::test_bad: found in schedule 1*",
            "*test_nothing_to_choose: explored 1 schedule, all of them",
        ]
    )


def test_the_same_choices_give_the_same_run(modal_emulator: Running) -> None:
    runs = []

    def program() -> None:
        two_at_once(add)

    def note(running: Running) -> None:
        steps = [
            (e.at, e.values["step"], e.values["container_id"], e.values["call_id"])
            for e in running.journal("step")
            if e.values["step"] not in ("input", "stop", "result")  # nobody holds these
        ]
        runs.append(steps)

    for _ in range(2):
        explore(program, invariant=note, app=app, schedules=3, mode="random", seed=5)
    assert runs[:3] == runs[3:]
    assert runs[0] != runs[1]
