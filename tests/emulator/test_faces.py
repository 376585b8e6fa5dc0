"""What user code sees of the emulator's time, in threads of this process and in processes."""

import contextlib
import datetime
import time
from collections.abc import Callable, Coroutine, Iterator
from queue import Empty
from typing import Any

import modal
import pytest

from modal_emulator.emulator import Running, Settings, running
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.pytest_plugin.session import Session

pytestmark = pytest.mark.slow

T = datetime.datetime(2027, 3, 1, 2, tzinfo=datetime.timezone.utc).timestamp()
HOUR = 3600.0


@pytest.fixture(scope="module", params=["inline", "process"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """An emulator whose containers are of one kind."""
    with running(settings=Settings(runtime=request.param)) as emulator:
        session = Session(emulator)
        yield session
        session.close()


@pytest.fixture
def emulator(session: Session) -> Iterator[Running]:
    with session.test() as emulator:
        yield emulator


@pytest.fixture
def look(emulator: Running) -> Iterator[modal.Function]:
    """A function that tells the instant in some ways."""
    app = modal.App("faces")

    def look() -> tuple[float, datetime.datetime, float]:
        return time.time(), datetime.datetime.now(datetime.timezone.utc), time.monotonic()

    # Of the emulator's time, of which much may pass while a container starts.
    function = app.function(serialized=True, timeout=86_400)(look)
    with app.run():
        yield function


def on_clock(
    emulator: Running, act: Callable[[VirtualClock], Coroutine[Any, Any, None] | None]
) -> None:
    """Do something with the clock, on its own loop."""

    async def done() -> None:
        coming = act(emulator._emulator.world.clock)
        if coming is not None:
            await coming

    emulator._run(done())


def test_all_see_the_instant_of_the_clock_and_then_the_machines(
    emulator: Running, look: modal.Function
) -> None:
    began = time.time()
    assert began <= look.remote()[0] <= time.time()
    on_clock(emulator, lambda clock: clock.set(T))
    for _ in range(2):
        seen, day, _ = look.remote()
        assert (seen, day.timestamp()) == (T, T) == (time.time(), T)
        assert type(day) is datetime.datetime
    on_clock(emulator, lambda clock: clock.travel(T + HOUR))
    assert look.remote()[0] == T + HOUR == time.time()
    on_clock(emulator, lambda clock: clock.resume())
    assert began <= look.remote()[0] <= time.time()


def test_a_clock_that_runs_is_seen_running(emulator: Running, look: modal.Function) -> None:
    on_clock(emulator, lambda clock: clock.set(T, 100.0))
    before = time.time()
    seen = look.remote()[0]
    assert T <= before < seen < time.time()
    assert time.monotonic() > look.remote()[2] - HOUR, "which goes no faster"


def test_each_test_begins_with_the_machines_time(session: Session) -> None:
    with session.test() as emulator:
        on_clock(emulator, lambda clock: clock.set(T))
        assert time.time() == T
    assert time.time() != T
    with session.test() as emulator:
        assert time.time() != T


def test_the_sdks_own_deadlines_are_of_that_time(emulator: Running) -> None:
    app = modal.App("waits")

    def wait(queue: modal.Queue) -> float:
        before = time.time()
        with contextlib.suppress(Empty):
            queue.get(timeout=60)
        return round(time.time() - before)

    function = app.function(serialized=True)(wait)
    with modal.Queue.ephemeral() as queue, app.run():
        on_clock(emulator, lambda clock: clock.set(T))
        with pytest.raises(Empty):
            queue.get(timeout=30)
        assert round(time.time() - T) == 30
        assert function.remote(queue) == 60
        call = function.spawn(queue)
        with pytest.raises(TimeoutError):
            call.get(timeout=10)
        assert round(time.time() - T) == 100
        assert call.get(timeout=100) == 60
