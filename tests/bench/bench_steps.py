"""
What it costs that steps are seen: for a warm call, a start, and code full of files.

`nothing` is without any of it: no call of the SDK is a step, nobody's lines are noted, and files
are not watched. `off` is the setting `watch_files` alone, `note` what a test has by itself, `hold`
with a gate. What containers of processes keep is one question for each call that they make.
"""

from collections.abc import Iterator

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
def app(modal_emulator: Running, seen: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if seen == "hold":
        modal_emulator.ask(lambda world: world.steps.add(Gate()))
    if seen == "nothing":
        monkeypatch.setattr(stepping, "STEPS", {})
        monkeypatch.setattr(containers, "input_step", _no_step)
        monkeypatch.setattr(memory, "_STEPS", frozenset())
        NOTING.give_back()
    with steps_app.app.run():
        yield
    if seen == "nothing":
        NOTING.take()


async def _no_step(*_: object) -> None:
    pass


@pytest.mark.benchmark(group="steps: warm call")
@pytest.mark.parametrize(("runtime", "seen"), cases(("nothing", *SEEN)))
def bench_warm(benchmark: BenchmarkFixture, app: None, runtime: str, seen: str) -> None:
    """Nothing of files happens: the target is that `note` costs 3 % more than `nothing` at most."""
    for number in range(50):
        steps_app.warm.remote(number)
    assert benchmark.pedantic(steps_app.warm.remote, args=(1,), rounds=400) == 2


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
