import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from fakes import FakeLauncher, ManualClock, settle
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Exit
from modal_emulator.schedule.calls import Calls, FunctionCall, Input, Outcome, State, Status
from modal_emulator.schedule.pool import Pool, PoolLimits, Worker
from modal_emulator.store.apps import Function, FunctionSpec

SUCCESS = Outcome(Status.SUCCESS, b"yes")
FAILURE = Outcome(Status.FAILURE, b"no")


class Stage:
    """A pool with everything around it."""

    def __init__(self, spec: FunctionSpec, error: Exception | None = None) -> None:
        self.clock = ManualClock()
        self.calls = Calls(self.clock, Ids(seed=1))
        self.launcher = FakeLauncher(error)
        ids = Ids(seed=2)
        self.pool = Pool(
            Function("fu-1", "ap-1", "f", spec=spec),
            self.calls,
            self.launcher,
            self.clock,
            Journal(self.clock),
            PoolLimits(max_containers=4, exit_grace=0.01),
            lambda: ids.mint("ta"),
        )
        self.call = self.calls.open("fu-1", 4)

    def submit(self) -> Input:
        new = self.calls.add_input(self.call, len(self.call.inputs), b"")
        self.pool.submit(new)
        return new

    async def working(self) -> tuple[Input, Worker]:
        """A container that works on an input."""
        new = self.submit()
        await settle()
        (worker,) = self.launcher.launched
        assert await self.ask(worker) == [new]
        return new, worker

    def ask(self, worker: Worker, most: int = 1) -> "asyncio.Task[list[Input] | None]":
        return asyncio.ensure_future(self.pool.take(worker, most, 0))


def play(body: Callable[[Stage], Awaitable[None]], error: Exception | None = None, **spec) -> None:
    async def run() -> None:
        stage = Stage(FunctionSpec(**spec), error)
        await body(stage)
        await stage.pool.close()

    asyncio.run(run())


def test_an_input_starts_a_container_that_takes_it():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        stage.pool.finish(new, SUCCESS)
        assert new.outcome == SUCCESS and not worker.inputs

    play(body)


def test_a_warm_container_takes_the_next_input():
    async def body(stage: Stage) -> None:
        first, worker = await stage.working()
        stage.pool.finish(first, SUCCESS)
        asking = stage.ask(worker)
        await settle()
        second = stage.submit()
        assert await asking == [second]
        assert len(stage.launcher.launched) == 1

    play(body)


def test_containers_stay_within_the_limit_and_the_rest_waits():
    async def body(stage: Stage) -> None:
        for _ in range(5):
            stage.submit()
        await settle()
        assert len(stage.launcher.launched) == 2
        assert stage.pool.backlog == 5

    play(body, max_containers=2)


def test_without_a_limit_of_the_function_the_pool_has_one():
    async def body(stage: Stage) -> None:
        for _ in range(9):
            stage.submit()
        await settle()
        assert len(stage.launcher.launched) == 4

    play(body)


def test_concurrent_inputs_share_a_container():
    async def body(stage: Stage) -> None:
        inputs = [stage.submit() for _ in range(3)]
        await settle()
        (worker,) = stage.launcher.launched
        for expected in inputs:
            assert await stage.ask(worker) == [expected]

    play(body, max_inputs_at_once=3)


def test_a_batch_lingers_for_more():
    async def body(stage: Stage) -> None:
        first = stage.submit()
        await settle()
        worker = stage.launcher.launched[0]
        asking = asyncio.ensure_future(stage.pool.take(worker, 2, 5.0))
        await settle()
        second = stage.submit()
        await stage.clock.advance(5)
        assert await asking == [first, second]

    play(body, batch_size=2, max_containers=1)


def test_min_containers_are_started_and_kept():
    async def body(stage: Stage) -> None:
        stage.pool.scale()
        await settle()
        assert len(stage.launcher.launched) == 2
        asking = [stage.ask(w) for w in stage.launcher.launched]
        await settle()
        await stage.clock.advance(1000)
        stage.pool._pulse.beat()
        await settle()
        assert not any(a.done() for a in asking)
        for task in asking:
            task.cancel()

    play(body, min_containers=2)


def test_an_idle_container_is_told_to_leave_after_its_window():
    async def body(stage: Stage) -> None:
        first, worker = await stage.working()
        stage.pool.finish(first, SUCCESS)
        asking = stage.ask(worker)
        await settle()
        await stage.clock.advance(11)
        stage.pool._pulse.beat()
        assert await asking is None
        assert worker.leaving

    play(body, scaledown_window=10)


def test_a_single_use_container_takes_one_input_only():
    async def body(stage: Stage) -> None:
        first, worker = await stage.working()
        stage.pool.finish(first, SUCCESS)
        second = stage.submit()
        await settle()
        assert len(stage.launcher.launched) == 2
        assert await stage.ask(worker) is None
        assert await stage.ask(stage.launcher.launched[1]) == [second]

    play(body, single_use=True)


def test_a_failure_is_tried_again_after_the_delay_then_kept():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        stage.pool.finish(new, FAILURE)
        assert new.state is State.WAITING
        await settle()
        await stage.clock.advance(2)
        assert await stage.ask(worker) == [new]
        stage.pool.finish(new, FAILURE)
        assert new.outcome == FAILURE and new.attempt == 1

    play(body, retries=1, retry_delay=2.0)


def test_the_inputs_of_a_killed_container_fail_with_its_death():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        stage.pool.exited(worker, Exit(None, 9))
        assert new.outcome.result == b"died None 9"
        assert worker.gone.is_set() and not stage.pool.workers

    play(body)


@pytest.mark.parametrize("code", [0, 1])
def test_a_container_that_cannot_begin_fails_what_waits_with_its_reason(code):
    async def body(stage: Stage) -> None:
        waiting = [stage.submit() for _ in range(2)]
        await settle()
        worker = stage.launcher.launched[0]
        worker.failure = b"ImportError"
        stage.pool.exited(worker, Exit(code))
        assert [i.outcome.result for i in waiting] == [b"ImportError"] * 2
        assert waiting[0].outcome.status is Status.INIT_FAILURE

    play(body, max_containers=1)


def test_a_launcher_that_fails_fails_the_input():
    async def body(stage: Stage) -> None:
        new = stage.submit()
        await settle()
        assert new.outcome.status is Status.INIT_FAILURE

    play(body, error=OSError("no room"))


def test_min_containers_that_cannot_begin_are_not_started_for_ever():
    async def body(stage: Stage) -> None:
        stage.pool.scale()
        await settle(200)
        assert len(stage.launcher.launched) == 3

    play(body, error=OSError("no room"), min_containers=1)


def test_an_input_that_takes_too_long_times_out_and_its_container_ends():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        await settle()
        await stage.clock.advance(7)
        assert new.outcome.status is Status.TIMEOUT
        assert new.outcome.result == b"timed out after 7"
        assert "terminate" in worker.container.did

    play(body, timeout=7)


def test_a_container_that_ignores_the_interrupt_is_killed_after_the_grace():
    async def body(stage: Stage) -> None:
        new = stage.submit()
        await settle()
        (worker,) = stage.launcher.launched
        worker.container.obeys = False
        await stage.ask(worker)
        await settle()
        await stage.clock.advance(7)
        await asyncio.wait_for(worker.gone.wait(), 5)
        assert worker.container.did == ["terminate", "kill"]
        assert new.outcome.status is Status.TIMEOUT

    play(body, timeout=7)


def test_cancelling_tells_the_container_and_a_late_outcome_is_dropped():
    async def body(stage: Stage) -> None:
        queued, gone = stage.submit(), Outcome(Status.TERMINATED, b"cancelled")
        await settle()
        (worker,) = stage.launcher.launched
        await stage.ask(worker)
        stage.pool.cancel(queued, gone)
        assert worker.cancelled == [queued.input_id]
        stage.pool.finish(queued, SUCCESS)
        assert queued.outcome == gone

        stage.pool.cancel(queued, FAILURE)
        assert queued.outcome == gone
        waiting = stage.submit()
        stage.pool.cancel(waiting, gone)
        assert stage.pool.backlog == 0

    play(body, max_containers=1)


def test_closing_interrupts_who_works_and_lets_idle_ones_leave():
    async def body(stage: Stage) -> None:
        busy, worker = await stage.working()
        await stage.pool.close()
        assert worker.container.did == ["terminate"]
        assert busy.outcome is not None
        stage.submit()
        assert len(stage.launcher.launched) == 1

    play(body)


def test_draining_gives_up_what_waits_and_starts_nothing():
    async def body(stage: Stage) -> None:
        first, second = stage.submit(), stage.submit()
        await settle()
        (worker,) = stage.launcher.launched
        assert await stage.ask(worker) == [first]
        assert stage.pool.surrender() == (second,)
        await stage.pool.drain()
        stage.pool.finish(first, SUCCESS)
        assert await stage.ask(worker) is None

    play(body, max_containers=1)


def test_update_changes_how_many_are_kept():
    async def body(stage: Stage) -> None:
        more = replace(stage.pool.function, spec=FunctionSpec(min_containers=1))
        stage.pool.update(more)
        await settle()
        assert len(stage.launcher.launched) == 1

    play(body)


@pytest.mark.parametrize("at_once", [True, False])
def test_closing_leaves_no_worker(at_once: bool):
    async def body(stage: Stage) -> None:
        for _ in range(3):
            stage.submit()
        await settle()
        for worker in stage.launcher.launched:
            worker.container.obeys = False
        await stage.pool.close(at_once=at_once)
        assert not stage.pool.workers
        call: FunctionCall = stage.call
        assert call.unfinished == 0

    play(body)
