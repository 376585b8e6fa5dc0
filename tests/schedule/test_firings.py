import asyncio
import errno
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from unittest.mock import Mock

import pytest

from fakes import FakeLauncher, ManualClock, settle
from modal_emulator.ground import virtual
from modal_emulator.ground.errors import Exhausted, Invalid, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.calls import Calls, Outcome, Status
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.firings import Cause, Firings
from modal_emulator.schedule.limits import PoolLimits
from modal_emulator.schedule.logs import Logs
from modal_emulator.schedule.rules import FiringApps, MissedRuns, ScheduleRules
from modal_emulator.schedule.schedules import Schedules
from modal_emulator.schedule.settling import Settling
from modal_emulator.store.apps import App, Apps, AppState, Function, FunctionSpec
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names
from modal_emulator.store.schedules import Cron, Period, Schedule, Standings

DEFAULTS = ScheduleRules()
HOUR, DAY = 3600.0, 86400.0
START = datetime(2025, 1, 1, 12, tzinfo=timezone.utc).timestamp()
NIGHTLY, HOURLY = Cron("0 2 * * *"), Cron("0 * * * *")


class FakeMessages:
    def no_arguments(self) -> tuple[int, bytes]:
        return 4, b"nothing"

    def words(self, result: bytes) -> str:
        return result.decode()


class Stage:
    """A scheduler whose containers are told by the test what comes of their inputs."""

    def __init__(
        self,
        rules: ScheduleRules = DEFAULTS,
        ledger: Ledger | None = None,
        at: float = START,
    ) -> None:
        self.clock = ManualClock(at)
        self.ledger = ledger or Ledger(None)
        ids = Ids(seed=3, salt="s")
        self.journal = Journal(self.clock)
        names = Names(self.ledger, self.clock, ids)
        environments = Environments(self.ledger, names, self.clock, ids)
        self.apps = Apps(self.ledger, names, environments, self.clock, ids)
        self.calls = Calls(self.clock, ids)
        self.launcher = FakeLauncher()
        self.dispatcher = Dispatcher(
            self.apps,
            self.calls,
            Logs(self.clock),
            self.launcher,
            self.clock,
            Settling(self.clock, self.journal),
            ids,
            self.journal,
            PoolLimits(exit_grace=0.01),
        )
        firings = Firings(self.calls, self.dispatcher, FakeMessages(), self.clock, self.journal)
        standings = Standings(self.ledger)
        self.schedules = Schedules(self.apps, firings, standings, self.clock, self.journal, rules)
        self.schedules.start()

    def app(
        self, state: AppState = AppState.DEPLOYED, name: str = "shop", **functions: Schedule | None
    ) -> App:
        begun = AppState.INITIALIZING if state is AppState.DEPLOYED else state
        return self.publish(self.apps.create(name, "", begun, {}), state, **functions)

    def publish(self, app: App, state: AppState, **functions: Schedule | None) -> App:
        ids = {}
        for tag, schedule in functions.items():
            ids[tag] = self.apps.reserve_function(app.app_id, tag, "")
            spec = FunctionSpec(schedule=schedule, startup_timeout=DAY)
            function = Function(ids[tag], app.app_id, tag, spec=spec)
            self.schedules.admit(function)
            self.apps.propose_function(function)
        self.schedules.check_limit(app.app_id, self.apps.proposed(ids.values()))
        return self.apps.publish(
            app.app_id, state, name="", tag="", function_ids=ids, class_ids={}, tags={}
        )

    def redeploy(self, app: App, **functions: Schedule | None) -> App:
        return self.publish(app, AppState.DEPLOYED, **functions)

    @property
    def fired(self) -> list[tuple[str, str]]:
        return [(f.function, text(f.due)) for f in self.schedules.history()]

    async def work(self, status: Status = Status.SUCCESS, words: str = "") -> None:
        """Let each container take one input, and end it so."""
        for worker in self.dispatcher.workers():
            for taken in worker.pool.waiting()[:1]:
                (taken,) = await worker.pool.take(worker, 1, 0.0) or ()
                outcome = Outcome(status, words.encode(), 0, worker.container_id)
                self.dispatcher.finish(taken.input_id, outcome)
        await settle()


def text(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, timezone.utc):%m-%d %H:%M}"


def play(body: Callable[[Stage], Awaitable[None]], rules: ScheduleRules = DEFAULTS) -> None:
    async def run() -> None:
        stage = Stage(rules)
        await body(stage)
        stage.schedules.close()
        await stage.dispatcher.close()

    asyncio.run(run())


def test_deployed_schedules_fire_when_they_are_due():
    async def body(stage: Stage) -> None:
        stage.app(backup=NIGHTLY, poll=Period(hours=9), plain=None)
        await stage.clock.advance(DAY)
        assert stage.fired == [
            ("poll", "01-01 21:00"),
            ("backup", "01-02 02:00"),
            ("poll", "01-02 06:00"),
        ]
        first = stage.schedules.history()[0]
        assert first.fired_at == first.due == START + 9 * HOUR
        new = stage.calls.call(first.call_id)
        assert (new.invocation, [i.payload for i in new.inputs]) == (4, [b"nothing"])

    play(body)


@pytest.mark.parametrize("state", [AppState.EPHEMERAL, AppState.DETACHED])
def test_apps_that_are_not_deployed_do_not_fire(state: AppState):
    async def body(stage: Stage) -> None:
        stage.app(state, backup=NIGHTLY)
        await stage.clock.advance(DAY)
        (listed,) = stage.schedules.list()
        assert (stage.fired, listed.fires, listed.next) == ([], False, None)

    play(body)


def test_ephemeral_apps_fire_when_asked_to():
    async def body(stage: Stage) -> None:
        app = stage.app(AppState.EPHEMERAL, backup=NIGHTLY, daily=Period(days=1))
        await stage.clock.advance(DAY)
        assert stage.fired == [("backup", "01-02 02:00"), ("daily", "01-02 12:00")]
        stage.apps.stop(app.app_id)
        await stage.clock.advance(DAY)
        assert len(stage.fired) == 2 and not stage.ledger.get("schedule", "")

    play(body, ScheduleRules(apps=FiringApps.EPHEMERAL_TOO))


def test_a_firing_tells_its_whole_story():
    async def body(stage: Stage) -> None:
        stage.app(backup=NIGHTLY)
        await stage.clock.advance(14 * HOUR)
        (queued,) = stage.schedules.history()
        await stage.clock.advance(60)
        await stage.work(Status.FAILURE, "no space left")
        (done,) = stage.schedules.history()
        worker = stage.dispatcher.workers()[0].container_id
        assert (queued.status, queued.attempts, queued.container_id) == ("queued", 0, "")
        assert (done.app, done.function, done.cause) == ("shop", "backup", Cause.DUE)
        assert (done.status, done.error, done.attempts) == ("failure", "no space left", 1)
        assert (done.container_id, text(done.started_at)) == (worker, "01-02 02:01")
        assert text(done.finished_at) == "01-02 02:01"
        fired, finished = (
            dict(e.values)
            for kind in ("schedule.fired", "schedule.finished")
            for e in stage.journal.events(kind)
        )
        assert fired == {
            "app": "shop",
            "function": "backup",
            "due": done.due,
            "cause": "due",
            "call_id": done.call_id,
        }
        assert finished == {
            "app": "shop",
            "function": "backup",
            "due": done.due,
            "call_id": done.call_id,
            "container_id": worker,
            "started_at": done.started_at,
            "attempts": 1,
            "status": "failure",
        }

    play(body)


def test_runs_may_overlap():
    async def body(stage: Stage) -> None:
        stage.app(poll=HOURLY)
        await stage.clock.advance(2 * HOUR)
        assert [f.status for f in stage.schedules.history()] == ["queued", "queued"]
        assert len(stage.dispatcher.workers()) == 2

    play(body)


def test_a_redeployment_begins_periods_anew_and_leaves_crons_alone():
    async def body(stage: Stage) -> None:
        app = stage.app(backup=NIGHTLY, daily=Period(days=1))
        await stage.clock.advance(23 * HOUR)
        stage.redeploy(app, backup=NIGHTLY, daily=Period(days=1))
        await stage.clock.advance(23 * HOUR)
        assert stage.fired == [("backup", "01-02 02:00"), ("backup", "01-03 02:00")]
        await stage.clock.advance(HOUR)
        assert stage.fired[2:] == [("daily", "01-03 11:00")]

    play(body)


def test_a_redeployment_changes_and_removes_schedules():
    async def body(stage: Stage) -> None:
        app = stage.app(moved=NIGHTLY, unscheduled=NIGHTLY, removed=NIGHTLY)
        stage.redeploy(app, moved=Cron("0 3 * * *"), unscheduled=None)
        await stage.clock.advance(DAY)
        assert stage.fired == [("moved", "01-02 03:00")]
        assert [s.function for s in stage.schedules.list()] == ["moved"]

    play(body)


def test_the_newest_version_runs():
    async def body(stage: Stage) -> None:
        app = stage.app(poll=HOURLY)
        await stage.clock.advance(HOUR)
        fu = app.function_ids["poll"]
        newer = Function(fu, app.app_id, "poll", b"newer", FunctionSpec(schedule=HOURLY))
        stage.apps.propose_function(newer)
        await stage.clock.advance(HOUR)
        assert stage.dispatcher.pool(fu).function.definition == b""
        stage.apps.publish(
            app.app_id,
            AppState.DEPLOYED,
            name="",
            tag="",
            function_ids=app.function_ids,
            class_ids={},
            tags={},
        )
        await stage.dispatcher.replace(app.app_id, lambda: Outcome(Status.TERMINATED, b"over"))
        await stage.clock.advance(HOUR)
        assert stage.dispatcher.pool(fu).function.definition == b"newer"
        assert len(stage.fired) == 3

    play(body)


def test_a_stopped_app_fires_no_more():
    async def body(stage: Stage) -> None:
        app = stage.app(poll=HOURLY)
        await stage.clock.advance(HOUR)
        await stage.dispatcher.stop_app(app.app_id, lambda: Outcome(Status.TERMINATED, b"over"))
        await stage.clock.advance(DAY)
        (fired,) = stage.schedules.history()
        assert (fired.status, stage.schedules.list()) == ("terminated", ())

    play(body)


def test_a_paused_schedule_fires_not_and_goes_on_from_the_resumption():
    async def body(stage: Stage) -> None:
        stage.app(poll=HOURLY, other=HOURLY)
        (paused,) = stage.schedules.pause("shop/poll")
        assert paused.paused and paused.next is None
        assert stage.schedules.pause("poll") == (paused,)
        await stage.clock.advance(3 * HOUR + 60)
        assert {function for function, _ in stage.fired} == {"other"}
        (resumed,) = stage.schedules.resume("poll")
        assert text(resumed.next or 0) == "01-01 16:00"
        await stage.clock.advance(HOUR)
        assert stage.fired[-2:] == [("other", "01-01 16:00"), ("poll", "01-01 16:00")]
        kinds = [e.kind for e in stage.journal.events() if e.kind.startswith("schedule.")]
        assert (kinds.count("schedule.paused"), kinds.count("schedule.resumed")) == (1, 1)

    play(body)


def test_a_pause_outlasts_a_redeployment():
    async def body(stage: Stage) -> None:
        app = stage.app(poll=HOURLY, daily=Period(days=1))
        stage.schedules.pause()
        stage.redeploy(app, poll=Cron("30 * * * *"), daily=Period(days=1))
        await stage.clock.advance(2 * DAY)
        assert stage.fired == [] and all(s.paused for s in stage.schedules.list())

    play(body)


def test_a_schedule_runs_by_hand_even_when_it_would_not_fire():
    async def body(stage: Stage) -> None:
        stage.app(AppState.EPHEMERAL, "dev", backup=NIGHTLY)
        stage.app(backup=NIGHTLY)
        stage.schedules.pause("shop")
        ran = stage.schedules.run_now("backup")
        assert [(f.app, f.cause, f.due) for f in ran] == [
            ("dev", Cause.BY_HAND, START),
            ("shop", Cause.BY_HAND, START),
        ]
        assert [(s.runs, s.last and s.last.call_id) for s in stage.schedules.list()] == [
            (1, ran[0].call_id),
            (1, ran[1].call_id),
        ]

    play(body)


def test_what_has_no_schedule_is_not_found():
    async def body(stage: Stage) -> None:
        with pytest.raises(NotFound, match="There are no schedules"):
            stage.schedules.pause()
        stage.app(plain=None)
        with pytest.raises(NotFound, match="No schedule of 'plain' found"):
            stage.schedules.run_now("plain")

    play(body)


def test_what_is_due_next_comes_first():
    async def body(stage: Stage) -> None:
        stage.app(backup=NIGHTLY, poll=HOURLY, never=Cron("0 0 */31 * 1#3"))
        listed = [(s.function, text(s.next)) for s in stage.schedules.next(5) if s.next]
        assert listed == [("poll", "01-01 13:00"), ("backup", "01-02 02:00")]
        assert [s.schedule for s in stage.schedules.next()] == ["Cron('0 * * * *', timezone='UTC')"]

    play(body)


def test_a_clock_set_anew_fires_nothing_and_begins_there():
    async def body(stage: Stage) -> None:
        stage.app(backup=NIGHTLY, daily=Period(days=1))
        stage.clock.set(START + 30 * DAY)
        assert stage.fired == []
        await stage.clock.advance(DAY)
        assert stage.fired == [("backup", "02-01 02:00"), ("daily", "02-01 12:00")]
        stage.clock.set(START - 300 * DAY)
        await stage.clock.advance(DAY)
        assert stage.fired[2:] == [("backup", "03-08 02:00"), ("daily", "03-08 12:00")]

    play(body)


def test_what_cannot_be_followed_fails_the_deployment_by_name():
    async def body(stage: Stage) -> None:
        app = stage.app(fine=HOURLY)
        with pytest.raises(Invalid) as refusal:
            stage.redeploy(app, fine=NIGHTLY, wrong=Cron("61 * * * *"))
        assert str(refusal.value) == (
            "The schedule of function 'wrong', Cron('61 * * * *', timezone='UTC'), cannot be "
            "followed: bad minute."
        )
        with pytest.raises(Invalid, match="'never', Period\\(\\), cannot be followed"):
            stage.app(name="new", never=Period())
        await stage.clock.advance(HOUR)
        assert stage.fired == [("fine", "01-01 13:00")]

    play(body)


def test_what_cannot_be_begun_is_said_and_the_next_one_comes(monkeypatch: pytest.MonkeyPatch):
    async def body(stage: Stage) -> None:
        stage.app(poll=HOURLY)
        with monkeypatch.context() as full:
            error = OSError(errno.ENOSPC, "No space left on device")
            full.setattr(Standings, "put", Mock(side_effect=error))
            await stage.clock.advance(HOUR)
        await stage.clock.advance(HOUR)
        assert stage.fired == [("poll", "01-01 14:00")]
        (failed,) = stage.journal.events("schedule.failed")
        assert (failed.values["function"], failed.values["error"]) == ("poll", repr(error))

    play(body)


def test_an_app_that_is_only_run_is_warned():
    async def body(stage: Stage) -> None:
        app = stage.apps.create("dev", "", AppState.EPHEMERAL, {})

        def warned(schedule: Schedule | None) -> tuple[str, ...]:
            spec = FunctionSpec(schedule=schedule)
            return stage.schedules.admit(Function("fu-1", app.app_id, "f", spec=spec))

        assert warned(HOURLY) == warned(Period(days=1)) == warned(None) == ()
        assert "a deployment would be refused: nicknames" in warned(Cron("@daily"))[0]
        assert "it is not known whether Modal understands" in warned(Cron("0 0 L * *"))[0]
        assert "it is not known whether Modal understands" in warned(Cron("0 0 * * 1#2"))[0]

    play(body)


def test_the_limit_counts_all_deployed_apps_and_refuses_in_modals_words():
    async def body(stage: Stage) -> None:
        stage.app(name="old", a=HOURLY, b=Period(days=1), plain=None)
        stage.app(AppState.EPHEMERAL, "dev", c=HOURLY)
        app = stage.app(name="new", a=HOURLY)
        stage.redeploy(app, a=NIGHTLY)
        with pytest.raises(Exhausted) as refusal:
            stage.redeploy(app, a=HOURLY, b=HOURLY)
        assert str(refusal.value).splitlines() == [
            "Deployment failed: reached limit of 3 cron jobs "
            "(# already deployed => 2, # in this app => 2)",
            "Please upgrade your workspace plan and re-deploy",
        ]
        stage.app(name="more", plain=None)
        await stage.clock.advance(HOUR)
        assert stage.fired == [("a", "01-01 13:00")]

    play(body, ScheduleRules(limit=3))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (MissedRuns.SKIP, []),
        (MissedRuns.LATEST, [("daily", "01-03 12:00"), ("poll", "01-04 01:00")]),
        (
            MissedRuns.ALL,
            [
                ("daily", "01-02 12:00"),
                ("daily", "01-03 12:00"),
                ("poll", "01-04 00:00"),
                ("poll", "01-04 01:00"),
            ],
        ),
    ],
)
def test_what_a_server_missed_is_skipped_or_made_up(
    policy: MissedRuns, expected: list[tuple[str, str]]
):
    async def run() -> None:
        first = Stage()
        first.app(daily=Period(days=1), poll=Cron("0 0,1 4 * *"), off=HOURLY, gone=HOURLY)
        first.schedules.pause("off")
        first.redeploy(
            first.apps.live()[0], daily=Period(days=1), poll=Cron("0 0,1 4 * *"), off=HOURLY
        )
        first.schedules.close()
        later = Stage(ScheduleRules(missed_runs=policy), first.ledger, START + 2.6 * DAY)
        assert later.fired == expected
        assert all(f.cause is Cause.MISSED for f in later.schedules.history())
        missed = [dict(e.values) for e in later.journal.events("schedule.missed")]
        assert [(m["function"], m["count"], text(m["last"])) for m in missed] == [
            ("daily", 2, "01-03 12:00"),
            ("poll", 2, "01-04 01:00"),
        ]
        await later.clock.advance(DAY)
        assert later.fired[len(expected) :] == [("daily", "01-04 12:00")]
        later.schedules.close()
        await later.dispatcher.close()
        again = Stage(ScheduleRules(missed_runs=policy), first.ledger, START + 3.6 * DAY)
        assert again.fired == []
        again.schedules.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (MissedRuns.SKIP, []),
        (MissedRuns.LATEST, ["01-01 15:00"]),
        (MissedRuns.ALL, ["01-01 13:00", "01-01 14:00", "01-01 15:00"]),
    ],
)
def test_what_a_sleeping_machine_missed_is_skipped_or_made_up(
    policy: MissedRuns, expected: list[str], monkeypatch: pytest.MonkeyPatch
):
    async def body(stage: Stage) -> None:
        stage.app(poll=HOURLY)
        monkeypatch.setattr(virtual, "machine_time", lambda: START + 1)
        stage.clock.resume()
        await settle()
        monkeypatch.setattr(virtual, "machine_time", lambda: START + 3.5 * HOUR)
        stage.clock._ring()  # a real clock looks at the machine's time every minute
        while stage.clock.next_due() != START + 4 * HOUR:
            await asyncio.sleep(0)
        assert [(f.cause, text(f.due)) for f in stage.schedules.history()] == [
            (Cause.MISSED, due) for due in expected
        ]
        monkeypatch.setattr(virtual, "machine_time", lambda: START + 4 * HOUR + 59)
        stage.clock._ring()
        while stage.clock.next_due() != START + 5 * HOUR:
            await asyncio.sleep(0)
        assert stage.fired[len(expected) :] == [("poll", "01-01 16:00")]

    play(body, ScheduleRules(missed_runs=policy))
