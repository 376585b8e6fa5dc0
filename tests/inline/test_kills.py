"""Kills of containers of threads: nothing that their code does afterwards is seen by anybody."""

import threading

import modal
import pytest

import dying
from modal_emulator.emulator import Running
from modal_emulator.schedule.logs import LogFilter

pytestmark = [
    pytest.mark.modal(runtime="inline", background_commit_seconds=0),
    pytest.mark.filterwarnings("ignore::modal_emulator.pytest_plugin.findings.FindingWarning"),
]


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    dying.seen.clear()
    dying.over.clear()


def as_killed(text: str = "written") -> None:
    """A volume of version 1 loses what was not committed, one of version 2 has it."""
    assert dying.left_on(1) == {}
    assert dying.left_on(2) == {"b": text}
    assert dying.queue.len() == 0


def is_killed(running: Running, call: modal.FunctionCall, function: str) -> None:
    """Kill the container of a call that waits: only what a kill leaves is there afterwards."""
    container = running.container(function)
    container.wait_for_output("waiting")
    container.kill()
    assert dying.over.wait(60) and dying.seen == ["broken off", "once more"]
    with pytest.raises(modal.exception.RemoteError, match="SIGKILL"):
        call.get()
    as_killed()


@pytest.mark.parametrize(
    ("how", "said"), [("exit", "exited with code 3"), ("kill", "SIGKILL"), ("abort", "SIGABRT")]
)
def test_a_container_ends_itself(modal_emulator: Running, how: str, said: str) -> None:
    with dying.app.run():
        with pytest.raises(modal.exception.RemoteError, match=said):
            dying.ends_itself.remote(how)
        assert dying.over.wait(60) and dying.seen == ["broken off", "once more"]
        as_killed()


@pytest.mark.parametrize("how", ["get", "sleep", "spin", "thread"])
def test_a_container_is_killed(modal_emulator: Running, how: str) -> None:
    with dying.app.run():
        before = set(threading.enumerate())
        is_killed(modal_emulator, dying.waits.spawn(how), "waits")
    for thread in set(threading.enumerate()) - before:
        if thread.name.endswith((" main", "own")):
            thread.join(60)
            assert not thread.is_alive()


# Its way out is the one of all the others, which blocks.
@pytest.mark.filterwarnings("ignore:A blocking Modal interface is being used in an async context")
def test_asynchronous_code_is_killed(modal_emulator: Running) -> None:
    with dying.app.run():
        is_killed(modal_emulator, dying.waits_later.spawn(), "waits_later")


def test_code_that_does_not_let_go_gets_nowhere(modal_emulator: Running) -> None:
    with dying.app.run():
        dying.hangs_on.spawn()
        container = modal_emulator.container("hangs_on")
        container.wait_for_output("waiting")
        container.kill()
        assert dying.over.wait(60) and dying.seen == []
        assert dying.left_on(2) == {} and dying.queue.len() == 0
        app_id = dying.app.app_id
        said = modal_emulator.ask(lambda world: tuple(world.logs.read(app_id, 0, LogFilter())))
    assert not any("beyond" in line.text for line in said)


@pytest.mark.modal(isolation="plain")
def test_a_container_with_copied_volumes_is_killed(modal_emulator: Running) -> None:
    with dying.app.run():
        dying.waits.spawn("get")
        container = modal_emulator.container("waits")
        container.wait_for_output("waiting")
        container.kill()
        assert dying.over.wait(60) and dying.seen == ["broken off", "once more"]
        as_killed()
