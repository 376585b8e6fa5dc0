"""Who waits for whom: whether anything goes on by itself, and the picture of it in words."""

from types import SimpleNamespace
from typing import Any

import pytest

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.schedule.calls import Input, Outcome, State, Status
from modal_emulator.schedule.roles import Held, Role
from modal_emulator.schedule.standoff import Scene

GET = Step(Kind.QUEUE_GET, "ta-1", object_id="qu-1")
PUT = Step(Kind.QUEUE_PUT, "ta-1", object_id="qu-1")
RESULT = Step(Kind.RESULT, "ta-1", object_id="fc-2")
COMMIT = Step(Kind.COMMIT, "ta-1", object_id="vo-1")
CALL = Step(Kind.CALL, "ta-1", object_id="fu-1")


class Yard:
    """One container that works on one input, and another call that it may wait for."""

    def __init__(self, *steps: Step, staged: bool = True, state: State = State.RUNNING) -> None:
        self.one = Input("in-1", "fc-1", "fu-1", 0, b"", state=state)
        self.other = Input("in-2", "fc-2", "fu-1", 0, b"", state=State.RUNNING)
        self.role = Role("add#1", self.one, container_id="ta-1")
        self.roles = [self.role] if staged else []
        pool: Any = SimpleNamespace(function=SimpleNamespace(tag="add"), workers={"ta-1": None})
        worker = SimpleNamespace(container_id="ta-1", inputs={"in-1"}, pool=pool)
        self.workers = [worker] if state is State.RUNNING else []
        self.dispatcher: Any = SimpleNamespace(workers=lambda: self.workers, pool=lambda _: pool)
        doing = {"ta-1": dict.fromkeys(steps, self.role if staged else None)}
        calls: Any = SimpleNamespace(call=self.call)
        apps: Any = SimpleNamespace(past=lambda _: SimpleNamespace(tag="add"))
        self.scene = Scene(self.dispatcher, calls, apps, lambda _: "it", self.roles, doing)

    def call(self, call_id: str) -> Any:
        if call_id != "fc-2":
            raise NotFound(call_id)
        return SimpleNamespace(inputs=[self.other])

    def rows(self) -> list[str]:
        return self.scene.stuck(self.role, "there").splitlines()[1:]


@pytest.mark.parametrize(
    ("steps", "goes_on"),
    [((), True), ((COMMIT,), True), ((GET,), False), ((PUT,), False), ((RESULT,), False)],
)
def test_who_waits_for_nobody_goes_on_by_itself(steps: tuple[Step, ...], goes_on: bool) -> None:
    assert Yard(*steps).scene.goes_on is goes_on


def test_a_call_that_is_tried_again_comes_by_itself() -> None:
    yard = Yard(RESULT)
    yard.other.state = State.WAITING
    assert yard.scene.goes_on
    assert Yard(state=State.WAITING).scene.goes_on


def test_who_is_held_does_not_go_on() -> None:
    yard = Yard()
    yard.role.held = [Held(COMMIT, Moment.AFTER, None)]  # type: ignore[arg-type]
    assert not yard.scene.goes_on
    assert yard.rows() == ["  add#1  is held after commit of it"]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (GET, "is in queue get of it, which waits until somebody puts something there"),
        (PUT, "is in queue put of it, which waits until there is room"),
        (RESULT, "is in result of add"),
        (COMMIT, "is in commit of it"),
        (CALL, "is in call of add"),
        (Step(Kind.RESULT, "ta-1", object_id="fc-9"), "is in result of it"),
    ],
)
def test_what_each_is_in(step: Step, text: str) -> None:
    assert Yard(step).rows() == [f"  add#1  {text}"]
    assert Yard(step, staged=False).rows() == [f"  add (not staged)  {text}"]


def test_whose_result_is_waited_for_is_named() -> None:
    yard = Yard(RESULT)
    yard.roles.append(Role("tick#1", yard.other))
    assert yard.rows()[0] == "  add#1   is in result of add, which waits for tick#1"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State.RUNNING, "runs, or sleeps"),
        (State.WAITING, "waits until its next attempt is due"),
        (State.QUEUED, "waits for a container: there is 1, not free"),
    ],
)
def test_what_those_wait_for_that_are_in_no_step(state: State, text: str) -> None:
    assert Yard(state=state).rows() == [f"  add#1  {text}"]


def test_the_beginning_and_the_end() -> None:
    yard = Yard(state=State.QUEUED)
    yard.one.only = "ta-2"
    assert yard.rows() == ["  add#1  waits for its container to start"]
    yard = Yard(state=State.FINISHED)
    yard.one.outcome = Outcome(Status.FAILURE, b"")
    text = yard.scene.stuck(yard.role, "before commit")
    assert text.splitlines() == [
        "add#1 never comes to stand before commit: its call is over",
        "  add#1  its call is over (failure)",
    ]


def test_who_is_late_is_told_with_what_goes_on() -> None:
    yard = Yard(COMMIT)
    late = yard.scene.late(yard.role, "before reload", 5, ["container ta-1 ends"])
    assert late.splitlines()[0] == (
        "add#1 does not stand before reload after 5 s of the machine: container ta-1 ends"
    )
    assert "it sleeps" in yard.scene.late(yard.role, "before reload", 5, [])
    yard.role.input = None
    late = yard.scene.late(yard.role, "before reload", 5, [])
    assert "nobody has called it" in late and "is expected" in late
