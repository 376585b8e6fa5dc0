"""Steps on files as the journal and a gate see them, in both kinds of containers."""

import asyncio
import threading

import pytest

import stepping
from modal_emulator.emulator import Running
from modal_emulator.ground.steps import Kind, Moment, Step
from stepping import line

pytestmark = pytest.mark.slow

both = pytest.mark.parametrize(
    "runtime",
    [
        pytest.param(name, marks=pytest.mark.modal(runtime=name, background_commit_seconds=0))
        for name in ("inline", "process")
    ],
)


def file_steps(emulator: Running) -> list[tuple[str, str, str]]:
    """Return what was done to which path, and in which line, without its directory."""
    return [
        (
            str(event.values["step"]),
            f"{event.values['path']} {event.values['to']}".strip(),
            str(event.values["where"]).rpartition("/")[2].rpartition("\n")[2],
        )
        for event in emulator.journal("step")
        if event.values["object_id"] and event.values["function"] and event.values["where"]
    ]


@both
def test_steps_are_noted_in_order_with_their_lines(modal_emulator: Running, runtime: str) -> None:
    with stepping.app.run():
        assert stepping.publishing.remote("a") is False
        stepping.storing.remote("b")
    writes, renames, looks = line("writes"), line("renames"), line("looks")
    assert file_steps(modal_emulator) == [
        ("write", "draft", writes),
        ("close", "draft", writes),
        ("rename", "draft a", renames),
        ("look", "flag", looks),
        ("reload", "", line("reloads")),
        ("write", "b", line("writes in save")),
        ("close", "b", line("writes in save")),
        ("commit", "", line("commits")),
        ("dict write", file_steps(modal_emulator)[-1][1], line("puts")),
    ]
    (looked,) = (e for e in modal_emulator.journal("step") if e.values["step"] == "look")
    assert looked.values["error"] == "FileNotFoundError(2, 'No such file or directory')"


@both
def test_steps_tell_the_version_that_the_container_sees(
    modal_emulator: Running, runtime: str
) -> None:
    with stepping.app.run():
        stepping.storing.remote("a")
        stepping.storing.remote("b")
    events = modal_emulator.journal("step")
    writes = [each.values["version"] for each in events if each.values["step"] == "write"]
    assert writes == [0, 1]


class Gate:
    """Holds one kind of step until it is let go."""

    def __init__(self, kind: Kind, moment: Moment) -> None:
        self._kind, self._moment = kind, moment
        self.reached = threading.Event()
        self.free = asyncio.Event()

    def wants(self, step: Step, moment: Moment) -> bool:
        return step.kind is self._kind and moment is self._moment

    async def arrive(self, step: Step, moment: Moment) -> None:
        self.step = step
        self.reached.set()
        await self.free.wait()


@both
@pytest.mark.parametrize("moment", list(Moment))
def test_a_container_that_runs_already_is_held(
    modal_emulator: Running, runtime: str, moment: Moment
) -> None:
    gate = Gate(Kind.RENAME, moment)
    with stepping.app.run():
        stepping.publishing.remote("a")
        remove = modal_emulator.ask(lambda world: world.steps.add(gate))
        call = stepping.publishing.spawn("b")
        assert gate.reached.wait(30)
        assert str(gate.step) == "rename draft to b"
        modal_emulator.commit_in_background()
        names = {entry.path for entry in stepping.shelf.listdir("/")}
        assert names == ({"a", "draft"} if moment is Moment.BEFORE else {"a", "b"})
        modal_emulator.ask(lambda world: gate.free.set())
        assert call.get() is False
        modal_emulator.ask(lambda world: remove())
        assert stepping.publishing.remote("c") is False


@both
def test_asynchronous_code_is_held_too(modal_emulator: Running, runtime: str) -> None:
    gate = Gate(Kind.CLOSE, Moment.BEFORE)
    modal_emulator.ask(lambda world: world.steps.add(gate))
    with stepping.app.run():
        call = stepping.publishing_later.spawn("a")
        assert gate.reached.wait(30)
        assert gate.step.where[-1].endswith(line("writes later"))
        modal_emulator.ask(lambda world: gate.free.set())
        call.get()


@both
def test_one_that_is_held_ends_with_its_app(modal_emulator: Running, runtime: str) -> None:
    gate = Gate(Kind.WRITE, Moment.BEFORE)
    modal_emulator.ask(lambda world: world.steps.add(gate))
    before = {left.container_id for left in modal_emulator.leftovers()}
    with stepping.app.run():
        stepping.publishing.spawn("a")
        assert gate.reached.wait(30)
    modal_emulator.settle()
    assert modal_emulator.containers() == ()
    assert {left.container_id for left in modal_emulator.leftovers()} == before


@pytest.mark.modal(runtime="process", background_commit_seconds=0)
@pytest.mark.modal_emulator(watch_files=False)
def test_nothing_is_seen_where_nobody_wants_to(modal_emulator: Running) -> None:
    with stepping.app.run():
        stepping.publishing.remote("a")
    assert file_steps(modal_emulator) == []
