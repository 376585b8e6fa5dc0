"""What it costs that steps on files are seen: for a warm call, a start, and code full of files."""

from collections.abc import Iterator

import pytest
import steps_app
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running
from modal_emulator.ground.steps import Moment, Step

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
            marks=pytest.mark.modal(runtime=runtime, watch_files=word != "off"),
        )
        for runtime in RUNTIMES
        for word in seen
    ]


@pytest.fixture
def app(modal_emulator: Running, seen: str) -> Iterator[None]:
    if seen == "hold":
        modal_emulator.ask(lambda world: world.steps.add(Gate()))
    with steps_app.app.run():
        yield


@pytest.mark.benchmark(group="steps: warm call")
@pytest.mark.parametrize(("runtime", "seen"), cases(SEEN))
def bench_warm(benchmark: BenchmarkFixture, app: None, runtime: str, seen: str) -> None:
    """Nothing of files happens: the target is that `note` costs at most 3 % more than `off`."""
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
