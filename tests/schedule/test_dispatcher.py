import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fakes import FakeLauncher, ManualClock, settle
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.calls import Calls, Outcome, Status
from modal_emulator.schedule.dispatcher import HEARTBEAT_GRACE, Dispatcher
from modal_emulator.schedule.limits import PoolLimits
from modal_emulator.schedule.logs import LogFilter, Logs
from modal_emulator.schedule.settling import Settling
from modal_emulator.store.apps import App, Apps, AppState, Function, FunctionSpec
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names

SUCCESS = Outcome(Status.SUCCESS, b"yes")


def terminated() -> Outcome:
    return Outcome(Status.TERMINATED, b"over")


class Stage:
    def __init__(self) -> None:
        self.clock = ManualClock()
        ids = Ids(seed=3, salt="s")
        ledger = Ledger(None)
        names = Names(ledger, self.clock, ids)
        environments = Environments(ledger, names, self.clock, ids)
        self.apps = Apps(ledger, names, environments, self.clock, ids)
        self.calls = Calls(self.clock, ids)
        self.logs = Logs(self.clock)
        self.launcher = FakeLauncher()
        self.dispatcher = Dispatcher(
            self.apps,
            self.calls,
            self.logs,
            self.launcher,
            self.clock,
            Settling(self.clock, Journal(self.clock)),
            ids,
            Journal(self.clock),
            PoolLimits(exit_grace=0.01),
        )

    def app(self, state: AppState = AppState.EPHEMERAL, **functions: FunctionSpec) -> App:
        app = self.apps.create("shop", "", state, {})
        return self.publish(app, **functions)

    def publish(self, app: App, **functions: FunctionSpec) -> App:
        for tag, spec in functions.items():
            self.apps.put_function(Function(f"fu-{tag}", app.app_id, tag, spec=spec))
        return self.apps.publish(
            app.app_id,
            app.state,
            name="",
            tag="",
            function_ids={tag: f"fu-{tag}" for tag in functions},
            class_ids={},
            tags={},
        )


def play(body: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        stage = Stage()
        await body(stage)
        await stage.dispatcher.close()
        assert not stage.dispatcher.workers()

    asyncio.run(run())


def test_an_input_goes_to_the_pool_of_its_function_and_its_outcome_home():
    async def body(stage: Stage) -> None:
        stage.app(f=FunctionSpec())
        call = stage.calls.open("fu-f", 4)
        new = stage.dispatcher.submit(call, 0, b"args")
        await settle()
        (worker,) = stage.launcher.launched
        assert stage.dispatcher.worker(worker.container_id) is worker
        assert await worker.pool.take(worker, 1, 0) == [new]
        stage.dispatcher.finish(new.input_id, SUCCESS)
        assert new.outcome == SUCCESS

    play(body)


def test_unknown_containers_and_functions_are_said():
    async def body(stage: Stage) -> None:
        with pytest.raises(NotFound, match="ta-x"):
            stage.dispatcher.worker("ta-x")
        with pytest.raises(NotFound, match="fu-x"):
            stage.dispatcher.pool("fu-x")

    play(body)


def test_scale_starts_what_published_functions_want_kept():
    async def body(stage: Stage) -> None:
        app = stage.app(kept=FunctionSpec(min_containers=2), plain=FunctionSpec())
        stage.dispatcher.scale(app.app_id)
        await settle()
        assert [w.pool.function.tag for w in stage.launcher.launched] == ["kept", "kept"]

    play(body)


def test_stopping_an_app_ends_its_inputs_its_containers_and_its_logs():
    async def body(stage: Stage) -> None:
        app = stage.app(f=FunctionSpec(max_containers=1))
        other = stage.app(g=FunctionSpec())
        call = stage.calls.open("fu-f", 4)
        inputs = [stage.dispatcher.submit(call, n, b"") for n in range(2)]
        stage.dispatcher.submit(stage.calls.open("fu-g", 4), 0, b"")
        await settle()
        await stage.dispatcher.stop_app(app.app_id, terminated)

        assert all(i.outcome is not None for i in inputs)
        assert stage.logs.closed(app.app_id) and not stage.logs.closed(other.app_id)
        assert [w.pool.function.app_id for w in stage.dispatcher.workers()] == [other.app_id]
        with pytest.raises(NotFound, match="stopped"):
            stage.dispatcher.pool("fu-f")

    play(body)


def test_an_ephemeral_app_ends_when_its_client_falls_silent():
    async def body(stage: Stage) -> None:
        app = stage.app(f=FunctionSpec())
        stage.dispatcher.heartbeat(app.app_id)
        reaping = asyncio.ensure_future(stage.dispatcher.reap(terminated))
        await settle()
        await stage.clock.advance(HEARTBEAT_GRACE)
        assert stage.apps.get(app.app_id).live
        await stage.clock.advance(HEARTBEAT_GRACE)
        assert not stage.apps.get(app.app_id).live
        lines = stage.logs.read(app.app_id, 0, LogFilter(text="local client disconnected"))
        assert len(list(lines)) == 1
        reaping.cancel()

    play(body)


def test_a_new_version_takes_over_and_old_containers_leave_when_idle():
    async def body(stage: Stage) -> None:
        app = stage.app(AppState.DEPLOYED, f=FunctionSpec(max_containers=1), g=FunctionSpec())
        call = stage.calls.open("fu-f", 4)
        running, waiting = (stage.dispatcher.submit(call, n, b"") for n in range(2))
        await settle()
        (old,) = stage.launcher.launched
        await old.pool.take(old, 1, 0)

        changed = FunctionSpec(max_containers=1, timeout=9)
        stage.publish(app, f=changed, g=FunctionSpec())
        await stage.dispatcher.replace(app.app_id, terminated)
        await settle()
        new = stage.launcher.launched[-1]
        assert new is not old and new.pool.function.spec == changed
        assert await new.pool.take(new, 1, 0) == [waiting]

        stage.dispatcher.finish(running.input_id, SUCCESS)
        assert running.outcome == SUCCESS
        assert await old.pool.take(old, 1, 0) is None
        assert {w.container_id for w in stage.dispatcher.workers(app.app_id)} == {
            old.container_id,
            new.container_id,
        }

    play(body)


def test_cancelling_a_call_ends_all_its_inputs():
    async def body(stage: Stage) -> None:
        stage.app(f=FunctionSpec(max_containers=1))
        call = stage.calls.open("fu-f", 4)
        inputs = [stage.dispatcher.submit(call, n, b"") for n in range(3)]
        await settle()
        (worker,) = stage.launcher.launched
        await worker.pool.take(worker, 1, 0)
        stage.dispatcher.cancel(call, terminated())
        assert [i.outcome.status for i in inputs] == [Status.TERMINATED] * 3
        assert worker.cancelled == [inputs[0].input_id]

    play(body)


def test_a_call_that_nobody_waits_for_any_more_is_cancelled():
    async def body(stage: Stage) -> None:
        stage.app(f=FunctionSpec())
        waited, spawned = stage.calls.open("fu-f", 4), stage.calls.open("fu-f", 3)
        for call in (waited, spawned):
            stage.calls.attend(call)
            stage.dispatcher.submit(call, 0, b"")
        reaping = asyncio.ensure_future(stage.dispatcher.reap(terminated))
        await stage.clock.advance(119)
        assert waited.unfinished == 1
        await stage.clock.advance(10)
        assert (waited.unfinished, spawned.unfinished) == (0, 1)
        reaping.cancel()

    play(body)
