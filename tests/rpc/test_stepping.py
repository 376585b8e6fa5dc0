"""Steps of the SDK's calls: which lines of user code do them, and on which version."""

import pytest

import stepping
from modal_emulator.emulator import Running
from modal_emulator.rpc.stepping import STEPS
from modal_emulator.runtime.telling import CALLS
from stepping import line

pytestmark = pytest.mark.slow

both = pytest.mark.parametrize(
    "runtime",
    [
        pytest.param(name, marks=pytest.mark.modal(runtime=name, background_commit_seconds=0))
        for name in ("inline", "process")
    ],
)


def steps(emulator: Running, kind: str) -> list[tuple[list[str], int]]:
    """Return the lines, without directories, and the version of each step of a kind."""
    emulator.settle()
    return [
        (
            [each.rpartition("/")[2] for each in str(event.values["where"]).split("\n")],
            int(event.values["version"] or 0),
        )
        for event in emulator.journal("step")
        if event.values["step"] == kind
    ]


def test_calls_that_are_steps_of_user_code_tell_their_lines() -> None:
    assert set(STEPS) - {"FunctionPutOutputs"} == CALLS


@both
def test_lines_of_blocking_code(modal_emulator: Running, runtime: str) -> None:
    with stepping.app.run():
        stepping.storing.remote("a")
        stepping.storing.remote("b")
    reloads, saves = [line("reloads")], [line("saves"), line("commits")]
    # Each on what the container saw before: a commit leaves it there, a reload brings it further.
    assert steps(modal_emulator, "reload") == [(reloads, 0), (reloads, 0)]
    assert steps(modal_emulator, "commit") == [(saves, 0), (saves, 1)]
    assert steps(modal_emulator, "dict write") == [([line("puts")], 0)] * 2
    assert steps(modal_emulator, "exit commit") == [([""], 1)]
    assert steps(modal_emulator, "output") == [([""], 0)] * 2


@both
def test_lines_of_tasks(modal_emulator: Running, runtime: str) -> None:
    with stepping.app.run():
        stepping.storing_later.remote("a")
    assert steps(modal_emulator, "dict write") == [([line("puts later")], 0)] * 2
    assert steps(modal_emulator, "commit") == [([line("commits later")], 0)]


@both
def test_lines_of_threads(modal_emulator: Running, runtime: str) -> None:
    with stepping.app.run():
        stepping.storing_in_threads.remote()
    found = sorted(lines[-1] for lines, _ in steps(modal_emulator, "dict write"))
    assert found == sorted([line("puts first"), line("puts second")])


@pytest.mark.modal(runtime="inline", background_commit_seconds=0)
def test_lines_of_a_client_in_this_process(modal_emulator: Running) -> None:
    with stepping.app.run():
        stepping.storing.remote("a")
    for kind in ("call", "result"):
        ((lines, _),) = steps(modal_emulator, kind)
        assert lines[-1].startswith("test_stepping.py:")
        assert lines[-1].endswith(" in test_lines_of_a_client_in_this_process")
