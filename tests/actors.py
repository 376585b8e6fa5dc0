"""Small programs of actors that share variables, to be run in many orders."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from modal_emulator.orders.options import END, Chooser, Option, Outcome

State = dict[str, Any]
Actor = Callable[[str, State], Generator["list[Pending]", int, None]]


@dataclass
class Pending:
    """What an actor is about to do."""

    option: Option
    ready: Callable[[], bool] = field(default=lambda: True)


def step(
    actor: str, action: str, *, reads: str = "", writes: str = "", **more: Any
) -> "list[Pending]":
    ready = more.pop("ready", lambda: True)
    option = Option(actor, action, frozenset(reads.split()), frozenset(writes.split()), **more)
    return [Pending(option, ready)]


def cast(
    actors: dict[str, Actor],
    check: Callable[[State], None] = lambda state: None,
    **start: Any,
) -> Callable[[Chooser], Outcome]:
    """Return a program of these actors, which begin in this state and are checked in the end."""

    def program(chooser: Chooser) -> Outcome:
        state: State = dict(start)
        lines = {name: actor(name, state) for name, actor in actors.items()}
        pending = {name: next(line, []) for name, line in lines.items()}
        current = None
        while True:
            able = [
                (name, index)
                for name, each in pending.items()
                for index, one in enumerate(each)
                if one.ready()
            ]
            options = [pending[name][index].option for name, index in able]
            if not options:
                break
            if all(option.optional for option in options):
                options.append(END)
            choice = chooser.choose(options, current)
            if options[choice] is END:
                break
            name, index = able[choice]
            current = name
            try:
                pending[name] = lines[name].send(index)
            except StopIteration:
                pending[name] = []
        waiting = [name for name, each in pending.items() if each and not each[0].option.optional]
        state["waiting"] = tuple(sorted(waiting))
        try:
            check(state)
        except AssertionError as failure:
            return Outcome(failure, state)
        return Outcome(None, state)

    return program


def adder(name: str, state: State) -> Generator["list[Pending]", int, None]:
    """Add one, by a read and a write."""
    yield step(name, "read n", reads="n")
    seen = state["n"]
    yield step(name, "write n", writes="n")
    state["n"] = seen + 1


def alone(count: int) -> Actor:
    """Return an actor that works on what is its own."""

    def actor(name: str, state: State) -> Generator["list[Pending]", int, None]:
        for number in range(count):
            yield step(name, f"work {number}", writes=f"own.{name}")

    return actor


def creator(name: str, state: State) -> Generator["list[Pending]", int, None]:
    """Make what is not there: check, then act."""
    yield step(name, "look", reads="made")
    if not state["made"]:
        yield step(name, "make", writes="made")
        state["made"] += 1


def philosopher(left: str, right: str) -> Actor:
    """Return an actor that takes two forks, waiting within the step for each."""

    def actor(name: str, state: State) -> Generator["list[Pending]", int, None]:
        for fork in (left, right):
            yield step(name, f"ask for {fork}", writes=fork)
            line = state.setdefault(fork, [])
            line.append(name)
            if line[0] != name:
                yield step(
                    name, f"have {fork}", reads=fork, ready=lambda line=line: line[0] == name
                )
        for fork in (left, right):
            yield step(name, f"put {fork}", writes=fork)
            state[fork].pop(0)

    return actor


def no_lost_update(state: State) -> None:
    assert state["n"] == 2, f"n is {state['n']}"


def nobody_waits(state: State) -> None:
    assert not state["waiting"], f"{', '.join(state['waiting'])} wait for ever"


def made_once(state: State) -> None:
    assert state["made"] < 2


LOST_UPDATE = cast({"a": adder, "b": adder}, no_lost_update, n=0)
CHECK_THEN_ACT = cast({"a": creator, "b": creator, "c": alone(3)}, made_once, made=0)
DEADLOCK = cast(
    {
        "p1": philosopher("x", "y"),
        "p2": philosopher("y", "z"),
        "p3": philosopher("z", "x"),
    },
    nobody_waits,
)


def depth_three() -> Callable[[Chooser], Outcome]:
    """Fails only if three pairs of steps stand in one order: a bug of depth 3."""

    def setter(name: str, state: State) -> Generator["list[Pending]", int, None]:
        for variable in ("u", "v", "w"):
            yield step(name, f"set {variable}", writes=variable)
            state[variable] = state.get("seen", 0)

    def reader(name: str, state: State) -> Generator["list[Pending]", int, None]:
        seen: list[bool] = []
        for variable in ("u", "v", "w"):
            yield step(name, f"get {variable}", reads=variable)
            seen.append(variable in state)
            state["seen"] = len(seen)
        state["story"] = seen

    def check(state: State) -> None:
        # u was not yet set when it was read, v was set after that and before it was read, w not.
        assert state["story"] != [False, True, False]

    return cast({"setter": setter, "reader": reader}, check)


class Branch:
    """Takes this way, then the first option each time, and notes how many there were."""

    def __init__(self, way: list[int]) -> None:
        self._way = way
        self.taken: list[int] = []
        self.widths: list[int] = []
        self.steps: list[Option] = []

    def choose(self, options: Sequence[Option], current: str | None) -> int:
        place = len(self.taken)
        index = self._way[place] if place < len(self._way) else 0
        self.widths.append(len(options))
        self.taken.append(index)
        self.steps.append(options[index])
        return index


def every_order(
    program: Callable[[Chooser], Outcome], limit: int = 100_000
) -> Generator[tuple[tuple[Option, ...], Outcome], None, None]:
    """Yield the steps and the outcome of each order there is, by brute force."""
    way: list[int] = []
    for _ in range(limit):
        branch = Branch(way)
        outcome = program(branch)
        yield tuple(branch.steps), outcome
        way = branch.taken
        while way and way[-1] + 1 >= branch.widths[len(way) - 1]:
            way.pop()
        if not way:
            return
        way[-1] += 1
    raise AssertionError("too many orders")
