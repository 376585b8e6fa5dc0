"""That every order that matters is tried, against brute force on small drawn programs."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from actors import (
    CHECK_THEN_ACT,
    DEADLOCK,
    LOST_UPDATE,
    Actor,
    Pending,
    State,
    alone,
    cast,
    every_order,
    step,
)
from modal_emulator.orders.exploring import Report, explore
from modal_emulator.orders.options import (
    ANYTHING,
    Chooser,
    NotDeterministic,
    Option,
    Outcome,
    shape,
)
from modal_emulator.orders.reduction import Exhaustive
from modal_emulator.orders.walks import Run

Line = Generator[list[Pending], int, None]
MOST = 250  # orders by brute force


def read(name: str, here: str, x: str, y: str, state: State) -> Line:
    yield step(name, f"{here} read {x}", reads=x)
    state[f"{name} saw"] = state.get(x, 0)


def write(name: str, here: str, x: str, y: str, state: State) -> Line:
    yield step(name, f"{here} write {x}", writes=x)
    state[x] = state.get(f"{name} saw", 0) * 3 + ord(name[0])


def write_if(name: str, here: str, x: str, y: str, state: State) -> Line:
    yield step(name, f"{here} ask {x}", reads=x)
    if state.get(x):
        yield step(name, f"{here} then write {y}", writes=y)
        state[y] = state.get(y, 0) + ord(name[0])


def either(name: str, here: str, x: str, y: str, state: State) -> Line:
    ways = step(name, f"{here} left {x}", writes=x) + step(name, f"{here} right {y}", writes=y)
    way = yield ways
    state[(x, y)[way]] = state.get((x, y)[way], 0) * 2 + way + 1


def wait(name: str, here: str, x: str, y: str, state: State) -> Line:
    yield step(name, f"{here} wait for {x}", reads=x, ready=lambda: bool(state.get(x)))


def lock(name: str, here: str, x: str, y: str, state: State) -> Line:
    line = state.setdefault(f"line {x}", [])
    yield step(name, f"{here} ask for {x}", writes=f"lock.{x}")
    line.append(name)
    if line[0] != name:
        ready = lambda: line[0] == name  # noqa: E731
        yield step(name, f"{here} have {x}", reads=f"lock.{x}", ready=ready)
    yield from write(name, here, y, x, state)
    yield step(name, f"{here} give {x}", writes=f"lock.{x}")
    line.pop(0)


def free_lock(name: str, here: str, x: str, y: str, state: State) -> Line:
    held = f"free.{x}"
    yield step(name, f"{here} take {x}", writes=held, ready=lambda: not state.get(held))
    state[held] = True
    yield from write(name, here, y, x, state)
    yield step(name, f"{here} leave {x}", writes=held)
    state[held] = False


def maybe(name: str, here: str, x: str, y: str, state: State) -> Line:
    yield step(name, f"{here} spoil {x}", writes=x, optional=True, cost=1)
    state[x] = state.get(x, 0) * 7 + 1


PLAIN = [read, write, write_if]
variables = st.sampled_from("xyz")


def line_of(kinds: Sequence[Callable[..., Line]], longest: int) -> st.SearchStrategy[Actor]:
    parts = st.tuples(st.sampled_from(kinds), variables, variables)

    def actor(parts: list[tuple[Callable[..., Line], str, str]]) -> Actor:
        def go(name: str, state: State) -> Line:
            for number, (part, x, y) in enumerate(parts):
                yield from part(name, str(number), x, y, state)

        return go

    return st.lists(parts, min_size=1, max_size=longest).map(actor)


def programs(
    kinds: Sequence[Callable[..., Line]], optional: int = 0
) -> st.SearchStrategy[dict[str, Actor]]:
    three = st.fixed_dictionaries({}, optional={name: line_of(kinds, 3) for name in "abc"})
    if not optional:
        return three
    spoilers = st.fixed_dictionaries(
        {"y": line_of([maybe], 2)}, optional={"z": line_of([maybe], 1)}
    )
    return st.builds(lambda one, other: {**one, **other}, three, spoilers)


@pytest.mark.parametrize(
    ("kinds", "optional"),
    [
        pytest.param(PLAIN, 0, id="reads and writes"),
        pytest.param([*PLAIN, either], 0, id="several options of one actor"),
        pytest.param([*PLAIN, wait, lock, free_lock], 0, id="steps that wait"),
        pytest.param(PLAIN, 1, id="steps that need not be"),
        pytest.param([*PLAIN, either, wait, lock, free_lock], 1, id="all together"),
    ],
)
def test_every_order_that_matters_is_tried(kinds: list[Callable[..., Line]], optional: int) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(kinds, optional))
    def check(actors: dict[str, Actor]) -> None:
        program = cast(actors)
        shapes, ends = brute_force(program)
        report, runs = everything(program)

        assert {run.shape for run in runs} == shapes
        assert {end_of(run.outcome) for run in runs} == ends
        assert report.exhaustive and report.chance == 1
        if kinds is PLAIN and not optional:
            assert report.schedules == report.distinct == len(shapes)  # none twice

    check()


def brute_force(program: Callable[[Chooser], Outcome]) -> tuple[set[object], set[str]]:
    shapes, ends = set(), set()
    for count, (steps, outcome) in enumerate(every_order(program)):
        assume(count < MOST)
        shapes.add(shape(steps))
        ends.add(end_of(outcome))
    return shapes, ends


def everything(program: Callable[[Chooser], Outcome]) -> tuple[Report, list[Run]]:
    runs: list[Run] = []
    report = explore(program, Exhaustive(), 100_000, told=runs.append, onward=True)
    return report, [run for run in runs if not run.cut]


def end_of(outcome: Outcome) -> str:
    assert isinstance(outcome.story, dict)
    return repr(sorted(outcome.story.items()))


@pytest.mark.parametrize(
    ("program", "orders", "tried"),
    [
        pytest.param(LOST_UPDATE, 6, 4, id="lost update"),
        pytest.param(CHECK_THEN_ACT, 180, 4, id="check then act"),
    ],
)
def test_few_orders_stand_for_all(
    program: Callable[[Chooser], Outcome], orders: int, tried: int
) -> None:
    assert len(list(every_order(program))) == orders
    report, runs = everything(program)
    assert report.schedules == tried
    assert any(run.failed for run in runs)


def test_the_one_deadlock_is_found() -> None:
    report, runs = everything(DEADLOCK)
    dead = [run for run in runs if run.failed]
    assert [str(run.outcome.failure) for run in dead] == ["p1, p2, p3 wait for ever"]
    assert report.schedules == report.distinct == 37


def test_what_is_independent_is_run_once() -> None:
    report, _ = everything(cast({name: alone(5) for name in "abcde"}))
    assert (report.schedules, report.max_steps, report.max_options) == (1, 25, 5)


def test_a_step_that_may_touch_anything_depends_on_all() -> None:
    def wild(name: str, state: State) -> Line:
        yield step(name, "run a program", writes=ANYTHING)

    report, _ = everything(cast({"a": alone(4), "wild": wild}))
    assert report.schedules == 5


def test_quiet_orders_come_before_those_with_optional_steps() -> None:
    def spoil(name: str, state: State) -> Line:
        yield from maybe(name, "0", "n", "", state)

    def count(name: str, state: State) -> Line:
        yield step(name, "look", reads="n")

    _, runs = everything(cast({"a": count, "b": count, "spoil": spoil}))
    spoiled = [any(one.optional for one in run.steps) for run in runs]
    assert spoiled[0] is False and any(spoiled)


class Fickle:
    """A program that is not the same each time."""

    def __init__(self, second: str) -> None:
        self._second = second
        self._runs = 0

    def __call__(self, chooser: Chooser) -> Outcome:
        self._runs += 1
        words = ["one", "two" if self._runs == 1 else self._second]
        for word in filter(None, words):
            options = [Option(actor, word, writes=frozenset("x")) for actor in "ab"]
            chooser.choose(options, None)
        return Outcome()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("three", "gave other steps at step 1: before a: two, b: two; now a: three, b: three"),
        ("", "gave other steps at step 1: before a: two, b: two; now nothing else"),
    ],
)
def test_a_program_that_changes_is_told(second: str, message: str) -> None:
    with pytest.raises(NotDeterministic, match=message):
        explore(Fickle(second), Exhaustive(), 10)


def test_a_change_of_resources_is_told() -> None:
    def changed(resource: str) -> list[Option]:
        return [Option("a", "go", frozenset([resource]))]

    assert "(with other resources)" in str(NotDeterministic(0, changed("x"), changed("y")))


def test_an_error_of_the_program_comes_out() -> None:
    def broken(chooser: Chooser) -> Any:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        explore(broken, Exhaustive(), 10)
