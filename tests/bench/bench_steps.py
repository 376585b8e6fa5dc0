"""
What it costs that steps are seen: for a warm call, a start, and code full of files.

`nothing` is without any of it: no call of the SDK is a step, nobody's lines are noted, and files
are not watched. `off` is the setting `watch_files` alone, `note` what a test has by itself, `hold`
with a gate. What containers of processes keep is one question for each call that they make.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter

import pytest
import steps_app
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running
from modal_emulator.ground.steps import Moment, Step
from modal_emulator.rpc import memory, stepping
from modal_emulator.rpc.handlers import containers
from modal_emulator.runtime.asking import NOTING

RUNTIMES = ("inline", "process")
SEEN = ("off", "note", "hold")
LOOPS = ("opens", "looks", "looks_elsewhere")


class Gate:
    """Makes everything be held, and wants nothing: what is left is the asking."""

    def wants(self, step: Step, moment: Moment) -> bool:
        return False

    async def arrive(self, step: Step, moment: Moment) -> None:
        raise AssertionError("nothing was wanted")


def cases(seen: tuple[str, ...]) -> list[object]:
    return [
        pytest.param(
            runtime,
            word,
            marks=pytest.mark.modal(runtime=runtime, watch_files=word not in ("nothing", "off")),
        )
        for runtime in RUNTIMES
        for word in seen
    ]


@pytest.fixture
def app(modal_emulator: Running, seen: str) -> Iterator[None]:
    if seen == "hold":
        modal_emulator.ask(lambda world: world.steps.add(Gate()))
    with seeing(seen), steps_app.app.run():
        yield


@contextmanager
def seeing_nothing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stepping, "STEPS", {})
        patch.setattr(containers, "input_step", _no_step)
        patch.setattr(memory, "_STEPS", frozenset())
        NOTING.give_back()
        try:
            yield
        finally:
            NOTING.take()


def seeing(seen: str) -> AbstractContextManager[None]:
    return seeing_nothing() if seen == "nothing" else nullcontext()


async def _no_step(*_: object) -> None:
    pass


@pytest.mark.benchmark(group="steps: warm call")
@pytest.mark.parametrize(("runtime", "seen"), cases(("nothing", *SEEN)))
def bench_warm(benchmark: BenchmarkFixture, app: None, runtime: str, seen: str) -> None:
    """Nothing of files happens: the target is that `note` costs 3 % more than `nothing` at most."""
    for number in range(50):
        steps_app.warm.remote(number)
    assert benchmark.pedantic(steps_app.warm.remote, args=(1,), rounds=400) == 2


@pytest.fixture(scope="module")
def taken() -> dict[str, list[float]]:
    """Seconds of calls that took turns, by what was seen."""
    return {}


@pytest.mark.benchmark(group="steps: warm call, in turns")
@pytest.mark.parametrize("seen", ["nothing", "note"])
@pytest.mark.modal(runtime="inline")
def bench_turns(
    benchmark: BenchmarkFixture, modal_emulator: Running, taken: dict[str, list[float]], seen: str
) -> None:
    """As `bench_warm`, for a few per cent: both in one process, 25 calls at a time."""
    if not taken:
        taken.update(nothing=[], note=[])
        with steps_app.app.run():
            for turn in range(400):
                with seeing(word := ("nothing", "note")[turn % 2]):
                    steps_app.warm.remote(1)  # the first one after a change
                    taken[word] += [_seconds_of_a_call() for _ in range(25)]
    benchmark._timer = _Told(taken[seen])
    benchmark.pedantic(lambda: None, rounds=len(taken[seen]))


def _seconds_of_a_call() -> float:
    began = perf_counter()
    steps_app.warm.remote(1)
    return perf_counter() - began


@pytest.mark.benchmark(group="steps: new container")
@pytest.mark.parametrize(("runtime", "seen"), cases(SEEN[:2]))
def bench_cold(benchmark: BenchmarkFixture, app: None, runtime: str, seen: str) -> None:
    steps_app.once.remote()
    assert benchmark.pedantic(steps_app.once.remote, rounds=30) == 0


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("runtime", "seen"), cases(SEEN))
def bench_loop(benchmark: BenchmarkFixture, app: None, runtime: str, seen: str, loop: str) -> None:
    """Each round is what a function says that one turn of its loop took."""
    count = 50 if seen == "hold" else 2000
    turns = [steps_app.loop.remote(loop, count) / count for _ in range(7)]
    benchmark.group = f"steps: {loop}, each"
    benchmark._timer = _Told(turns)
    benchmark.pedantic(lambda: None, rounds=len(turns))


class _Told:
    """A timer that goes on by what it was told, between every other two looks."""

    def __init__(self, turns: list[float]) -> None:
        self._looks = iter([look for each in turns for look in (0.0, each)])

    def __call__(self) -> float:
        return next(self._looks)
