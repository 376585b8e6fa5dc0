import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from fakes import FakeLauncher, ManualClock, settle
from modal_emulator.ground.errors import Conflict
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Exit
from modal_emulator.schedule.calls import Calls, FunctionCall, Input, Outcome, State, Status
from modal_emulator.schedule.limits import PoolLimits
from modal_emulator.schedule.pool import Pool
from modal_emulator.schedule.serving import Serving
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.worker import Ending, Worker
from modal_emulator.store.apps import Function, FunctionSpec
from modal_emulator.store.placements import Placement

SUCCESS = Outcome(Status.SUCCESS, b"yes")
GRACE = 30.0
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
            Settling(self.clock, Journal(self.clock)),
            Journal(self.clock),
            PoolLimits(max_containers=4, exit_grace=GRACE),
            lambda: ids.mint("ta"),
            Serving(),
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

    async def close(self, *, at_once: bool = False) -> None:
        closing = asyncio.ensure_future(self.pool.close(at_once=at_once))
        await settle()
        await self.clock.advance(GRACE)
        await asyncio.wait_for(closing, 60)

    def ask(self, worker: Worker, most: int = 1) -> "asyncio.Task[list[Input] | None]":
        return asyncio.ensure_future(self.pool.take(worker, most, 0))


def play(body: Callable[[Stage], Awaitable[None]], error: Exception | None = None, **spec) -> None:
    async def run() -> None:
        stage = Stage(FunctionSpec(**spec), error)
        await body(stage)
        await stage.close()

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


def test_a_full_batch_does_not_linger():
    async def body(stage: Stage) -> None:
        first = stage.submit()
        await settle()
        worker = stage.launcher.launched[0]
        asking = asyncio.ensure_future(stage.pool.take(worker, 2, 5.0))
        await settle()
        second = stage.submit()
        await settle()
        assert asking.done() and await asking == [first, second]

    play(body, batch_size=2)


def test_an_input_that_comes_as_a_batch_begins_to_linger_is_not_missed():
    async def body(stage: Stage) -> None:
        first = stage.submit()
        await settle()
        worker = stage.launcher.launched[0]
        asking = asyncio.ensure_future(stage.pool.take(worker, 2, 5.0))
        await asyncio.sleep(0)  # one turn of the loop: it has the first
        second = stage.submit()
        await settle()
        assert asking.done() and await asking == [first, second]

    play(body, batch_size=2)


def test_what_a_batch_waits_for_needs_no_other_container():
    async def body(stage: Stage) -> None:
        stage.submit()
        await settle()
        asking = asyncio.ensure_future(stage.pool.take(stage.launcher.launched[0], 3, 5.0))
        await settle()
        stage.submit()
        await settle()
        assert len(stage.launcher.launched) == 1
        await stage.clock.advance(5)
        assert len(await asking) == 2

    play(body, batch_size=3)


def test_min_containers_are_started_and_kept():
    async def body(stage: Stage) -> None:
        stage.pool.scale()
        await settle()
        assert len(stage.launcher.launched) == 2
        asking = [stage.ask(w) for w in stage.launcher.launched]
        await settle()
        await stage.clock.advance(1000)
        stage.pool._inputs.beat()
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
        stage.pool._inputs.beat()
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
        assert worker.cancelled == [new.input_id]
        stage.pool.finish(new, Outcome(Status.TERMINATED, b"", 0, worker.container_id))
        assert await stage.ask(worker) is None
        assert worker.container.did == []

    play(body, timeout=7)


def test_a_container_that_ignores_a_timeout_is_killed_after_the_grace():
    async def body(stage: Stage) -> None:
        new = stage.submit()
        await settle()
        (worker,) = stage.launcher.launched
        worker.container.obeys = False
        await stage.ask(worker)
        await settle()
        await stage.clock.advance(7)
        await stage.clock.advance(GRACE - 0.1)
        assert worker.container.did == []
        await stage.clock.advance(0.2)
        assert worker.gone.is_set()
        assert worker.container.did == ["kill"]
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
        handed_on: list[Input] = []
        await stage.pool.drain(handed_on.append)
        assert handed_on == [second]
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
        await stage.close(at_once=at_once)
        assert not stage.pool.workers
        call: FunctionCall = stage.call
        assert call.unfinished == 0

    play(body)


@pytest.mark.parametrize("obeys", [True, False])
@pytest.mark.parametrize("why", [Ending.PREEMPTED, Ending.STOPPED])
def test_an_interrupted_containers_input_begins_again_in_another(obeys: bool, why: Ending):
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        worker.container.obeys = obeys
        stage.pool.interrupt(worker, why)
        await settle()
        assert new.state is (State.QUEUED if obeys else State.RUNNING)
        await stage.clock.advance(GRACE)
        assert worker.gone.is_set() and new.state is State.QUEUED
        assert stage.launcher.told == ([worker.container_id] if why is Ending.PREEMPTED else [])

        (second,) = [w for w in stage.launcher.launched if w is not worker]
        assert await stage.ask(second) == [new]
        assert new.attempt == 0  # which leaves all retries
        stage.pool.finish(new, SUCCESS)
        assert new.outcome == SUCCESS

    play(body, max_containers=1)


def test_what_is_done_within_the_grace_is_done():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        worker.container.obeys = False
        stage.pool.interrupt(worker, Ending.PREEMPTED)
        await settle()
        stage.pool.finish(new, SUCCESS)
        await stage.clock.advance(GRACE)
        assert worker.gone.is_set() and new.outcome == SUCCESS
        assert stage.pool.backlog == 0

    play(body)


def test_async_code_that_is_interrupted_says_cancelled_and_begins_again():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        worker.container.obeys = False
        stage.pool.interrupt(worker, Ending.PREEMPTED)
        stage.pool.finish(new, Outcome(Status.TERMINATED, b"", 0, worker.container_id))
        assert new.state is State.RUNNING
        stage.pool.exited(worker, Exit(0))
        assert new.state is State.QUEUED

    play(body)


def test_a_container_is_interrupted_once():
    async def body(stage: Stage) -> None:
        _, worker = await stage.working()
        worker.container.obeys = False
        for _ in range(2):
            stage.pool.interrupt(worker, Ending.STOPPED)
        await settle()
        assert worker.container.did == ["terminate"]

    play(body)


def test_of_several_inputs_one_is_late_and_a_container_that_heeds_it_goes_on():
    async def body(stage: Stage) -> None:
        late, worker = await stage.working()
        await stage.clock.advance(4)
        other = stage.submit()
        assert await stage.ask(worker) == [other]
        await stage.clock.advance(3)
        assert late.outcome.status is Status.TIMEOUT
        assert worker.cancelled == [late.input_id]
        terminated = Outcome(Status.TERMINATED, b"", 0, worker.container_id)
        stage.pool.finish(late, terminated)
        stage.pool.finish(other, SUCCESS)
        await stage.clock.advance(2 * GRACE)
        assert other.outcome == SUCCESS and worker.container.did == []

    play(body, timeout=7, max_inputs_at_once=2)


def test_of_several_inputs_one_is_late_and_goes_on_until_the_container_is_killed():
    async def body(stage: Stage) -> None:
        late, worker = await stage.working()
        await stage.clock.advance(39)
        other = stage.submit()
        assert await stage.ask(worker) == [other]
        await stage.clock.advance(1)
        await stage.clock.advance(GRACE - 0.1)
        assert late.outcome.status is Status.TIMEOUT
        assert worker.container.did == []
        await stage.clock.advance(0.2)
        assert worker.container.did == ["kill"]
        assert other.state is State.QUEUED and other.outcome is None

    play(body, timeout=40, max_inputs_at_once=2)


def test_an_outcome_that_comes_after_the_timeout_does_not_end_the_next_attempt():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        worker.container.obeys = False
        await settle()
        await stage.clock.advance(7)
        assert new.state is State.WAITING
        stage.pool.finish(new, Outcome(Status.TERMINATED, b"late", 0, worker.container_id))
        assert new.state is State.WAITING

        await stage.clock.advance(1)
        second = stage.launcher.launched[-1]
        assert second is not worker and await stage.ask(second) == [new]
        stage.pool.finish(new, Outcome(Status.SUCCESS, b"late", 0, worker.container_id))
        assert new.state is State.RUNNING
        stage.pool.finish(new, Outcome(Status.SUCCESS, b"in time", 0, second.container_id))
        assert new.outcome.result == b"in time"

    play(body, timeout=7, retries=1, retry_delay=1.0)


def test_a_cancelled_input_that_takes_its_container_along_spares_the_others():
    async def body(stage: Stage) -> None:
        doomed, worker = await stage.working()
        other = stage.submit()
        assert await stage.ask(worker) == [other]
        stage.pool.cancel(doomed, Outcome(Status.TERMINATED, b"cancelled"))
        stage.pool.exited(worker, Exit(0))
        assert doomed.outcome.result == b"cancelled"
        assert other.state is State.QUEUED

    play(body, max_inputs_at_once=2)


def test_a_container_killed_on_purpose_fails_its_input():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        await stage.pool.kill(worker)
        assert worker.container.did == ["kill"]
        assert new.outcome.result == b"died None 9"

    play(body)


def test_a_container_that_is_let_go_finishes_first():
    async def body(stage: Stage) -> None:
        new, worker = await stage.working()
        stage.pool.let_go(worker)
        stage.pool.finish(new, SUCCESS)
        assert await stage.ask(worker) is None
        assert new.outcome == SUCCESS and worker.container.did == []

    play(body)


def test_a_container_interrupted_while_it_starts_fails_nobody():
    async def body(stage: Stage) -> None:
        new = stage.submit()
        await settle()
        (worker,) = stage.launcher.launched
        stage.pool.interrupt(worker, Ending.PREEMPTED)
        await settle()
        assert worker.gone.is_set() and new.state is State.QUEUED
        assert len(stage.launcher.launched) == 2

    play(body)


def test_a_drained_pool_hands_on_what_begins_again_or_is_tried_again():
    async def body(stage: Stage) -> None:
        interrupted, first = await stage.working()
        failing = stage.submit()
        await settle()
        second = stage.launcher.launched[-1]
        assert await stage.ask(second) == [failing]
        handed_on: list[Input] = []
        await stage.pool.drain(handed_on.append)

        stage.pool.interrupt(first, Ending.PREEMPTED)
        await settle()
        assert handed_on == [interrupted]
        stage.pool.finish(failing, FAILURE)
        await settle()
        await stage.clock.advance(1)
        assert handed_on == [interrupted, failing]
        assert {i.state for i in handed_on} == {State.QUEUED}

    play(body, retries=1, retry_delay=1.0)


def test_a_container_that_does_not_come_up_in_time_is_killed_and_its_inputs_fail():
    async def body(stage: Stage) -> None:
        new = stage.submit()
        await settle()
        (worker,) = stage.launcher.launched
        await stage.clock.advance(4.9)
        assert worker.container.did == []
        await stage.clock.advance(0.2)
        assert worker.container.did == ["kill"]
        assert new.outcome.result == b"not started within 5"

    play(body, startup_timeout=5, timeout=1)


def test_a_container_that_has_asked_once_has_come_up():
    async def body(stage: Stage) -> None:
        _, worker = await stage.working()
        await settle()
        await stage.clock.advance(6)
        assert worker.container.did == []

    play(body, startup_timeout=5)


def test_a_cancelled_input_is_not_late_any_more():
    async def body(stage: Stage) -> None:
        doomed, worker = await stage.working()
        stage.pool.cancel(doomed, Outcome(Status.TERMINATED, b""))
        stage.pool.finish(doomed, Outcome(Status.TERMINATED, b"", 0, worker.container_id))
        await stage.clock.advance(8)
        assert not worker.leaving and worker.container.did == []

    play(body, timeout=7)


def test_what_is_deployed_waits_while_containers_fail_with_a_growing_delay():
    async def body(stage: Stage) -> None:
        stage.launcher.is_deployed = True
        began = stage.clock.now()
        new = stage.submit()
        starts = []
        for _ in range(400):
            await settle()
            if len(stage.launcher.launched) > len(starts):
                starts.append(stage.clock.now() - began)
                stage.pool.exited(stage.launcher.launched[-1], Exit(1))
            await stage.clock.advance(0.5)
        assert starts == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0]
        assert new.outcome is None

        await stage.clock.advance(100)
        taken = await stage.ask(stage.launcher.launched[-1])
        assert taken == [new]

    play(body)


def test_what_is_not_deployed_fails_after_so_many_failed_starts():
    async def body(stage: Stage) -> None:
        stage.pool._limits = replace(stage.pool._limits, failed_starts=3)
        new = stage.submit()
        for number in range(3):
            assert new.outcome is None
            await settle()
            assert len(stage.launcher.launched) == number + 1
            stage.pool.exited(stage.launcher.launched[-1], Exit(1))
        assert new.outcome.status is Status.FAILURE

    play(body)


def test_a_function_that_is_not_to_be_preempted_is_not():
    async def body(stage: Stage) -> None:
        _, worker = await stage.working()
        with pytest.raises(Conflict, match="nonpreemptible"):
            stage.pool.interrupt(worker, Ending.PREEMPTED)
        assert not worker.leaving and worker.container.did == []

    play(body, placement=Placement(nonpreemptible=True))
