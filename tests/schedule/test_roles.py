"""Roles: which steps they stop at, and how steps are shown."""

import asyncio

import pytest

from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.schedule.roles import Goal, Held, Role, show_step

WRITE = Step(Kind.WRITE, "ta-1", "add", object_id="vo-1", path="a/index.json")
RENAME = Step(Kind.RENAME, "ta-1", "add", object_id="vo-1", path="new.tmp", to="index.json")


@pytest.mark.parametrize(
    ("goal", "step", "fits"),
    [
        (Goal(), WRITE, True),
        (Goal(Kind.WRITE), WRITE, True),
        (Goal(Kind.READ), WRITE, False),
        (Goal(Kind.WRITE, Moment.AFTER), WRITE, False),
        (Goal(Kind.WRITE, path="a/index.json"), WRITE, True),
        (Goal(Kind.WRITE, path="*.json"), WRITE, True),
        (Goal(Kind.WRITE, path="index.json"), WRITE, False),
        (Goal(path="index.json"), RENAME, True),
        (Goal(path="new.*"), RENAME, True),
        (Goal(path="other"), RENAME, False),
        (Goal(of=frozenset({"shared"})), WRITE, True),
        (Goal(of=frozenset({"vo-1"})), WRITE, True),
        (Goal(of=frozenset({"other"})), WRITE, False),
    ],
)
def test_which_steps_fit(goal: Goal, step: Step, fits: bool) -> None:
    assert goal.fits(step, Moment.BEFORE, "shared") is fits


def test_the_nth_is_counted_from_where_it_aims() -> None:
    role = Role("add#1")
    role.aim(Goal(Kind.WRITE, nth=2))
    assert not role.meets(WRITE, Moment.BEFORE, "shared")
    assert role.meets(WRITE, Moment.BEFORE, "shared")
    role.free = True
    assert not role.meets(WRITE, Moment.BEFORE, "shared")


def test_other_threads_of_one_that_is_held_are_held_as_well() -> None:
    role = Role("add#1")
    role.goal = None
    assert role.meets(WRITE, Moment.BEFORE, "shared")
    assert not role.meets(WRITE, Moment.AFTER, "shared")


def test_a_container_that_is_taken_away_is_not_held() -> None:
    role = Role("add#1", spared="ta-1")
    assert not role.meets(WRITE, Moment.BEFORE, "shared")


def test_of_several_that_are_held_the_first_passes() -> None:
    async def body() -> None:
        role = Role("add#1")
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()
        role.held = [Held(WRITE, Moment.BEFORE, first), Held(RENAME, Moment.BEFORE, second)]
        role.let_go()
        assert (first.result(), second.result()) == (True, False)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (WRITE, "write a/index.json of shared"),
        (RENAME, "rename new.tmp to index.json of shared"),
        (Step(Kind.START, "ta-1"), "start"),
        (Step(Kind.QUEUE_GET, object_id="qu-1", path="b''"), "queue get of shared"),
        (Step(Kind.DICT_READ, object_id="di-1", path=repr(b"\x80\x04")), "dict read of shared"),
        (
            Step(Kind.COMMIT, object_id="vo-1", where=("a.py:1 in f", "a.py:2 in g")),
            "commit of shared (a.py:2 in g)",
        ),
    ],
)
def test_a_step_in_words(step: Step, text: str) -> None:
    assert show_step(step, "shared") == text


@pytest.mark.parametrize(
    ("goal", "text"),
    [
        (Goal(), "before any step"),
        (Goal(Kind.COMMIT, Moment.AFTER, nth=2), "after commit, 2 times"),
        (
            Goal(Kind.READ, path="*.json", of=frozenset({"b", "a"})),
            "before read '*.json' of a or b",
        ),
    ],
)
def test_a_goal_in_words(goal: Goal, text: str) -> None:
    assert str(goal) == text


def test_what_is_held_may_be_broken_off() -> None:
    async def body() -> None:
        role = Role("add#1")
        waits = asyncio.get_running_loop().create_future()
        role.held = [Held(WRITE, Moment.BEFORE, waits)]
        role.break_off(ValueError("gone"))
        assert isinstance(waits.exception(), ValueError)
        assert role.held == []

    asyncio.run(body())
