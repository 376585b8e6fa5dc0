"""Schedules of real apps, deployed with the SDK."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path

import modal
import pytest

import scheduled
from helpers import eventually
from modal_emulator.emulator import Running, Settings, running
from modal_emulator.guard import pointed
from modal_emulator.pytest_plugin.client import LentClient
from modal_emulator.schedule.cron import DstPolicy
from modal_emulator.schedule.firings import Cause
from modal_emulator.schedule.rules import FiringApps, MissedRuns, ScheduleRules
from modal_emulator.world import World

pytestmark = pytest.mark.slow

DAY = 86400.0
START = datetime(2025, 1, 1, 12, tzinfo=timezone.utc).timestamp()


def travel(emulator: Running, seconds: float) -> None:
    clock = emulator.ask(lambda world: world.clock)
    emulator._run(clock.travel(clock.now() + seconds))


def deploy(app: modal.App) -> None:
    app.deploy(name=app.name)


def test_what_is_due_runs_with_all_that_a_call_has(modal_emulator: Running) -> None:
    modal_emulator.ask(lambda world: world.clock.set(START))
    deploy(scheduled.app)
    travel(modal_emulator, DAY)
    first, second = modal_emulator.ask(lambda world: world.schedules.history())
    assert scheduled.notes() == ["nightly hello in ta-", "moody in ta-"]
    assert (first.function, first.status, first.due - START) == ("nightly", "success", 14 * 3600)
    assert (second.function, second.status, second.attempts) == ("moody", "success", 1)
    assert first.started_at == first.finished_at == first.due
    travel(modal_emulator, DAY)
    third, fourth = modal_emulator.ask(lambda world: world.schedules.history())[2:]
    # The third line is an odd one, so the moody function fails and is tried again.
    assert (third.function, third.status, third.attempts) == ("moody", "success", 2)
    assert (fourth.function, fourth.status, len(scheduled.notes())) == ("nightly", "success", 5)
    modal_emulator.ask(lambda world: world.schedules.run_now("scheduled/moody"))
    travel(modal_emulator, 10)
    by_hand = modal_emulator.ask(lambda world: world.schedules.history())[-1]
    assert (by_hand.cause, by_hand.status, by_hand.attempts) == (Cause.BY_HAND, "success", 1)


def test_an_app_that_is_run_does_not_fire(modal_emulator: Running) -> None:
    modal_emulator.ask(lambda world: world.clock.set(START))
    with scheduled.app.run():
        travel(modal_emulator, 10 * DAY)
    assert modal_emulator.journal("schedule.fired") == ()


@pytest.mark.modal(schedules="ephemeral-too", dst_policy="skip")
def test_an_app_that_is_run_fires_when_it_is_asked_to(modal_emulator: Running) -> None:
    rules = modal_emulator.settings.schedules
    assert (rules.apps, rules.dst_policy) == (FiringApps.EPHEMERAL_TOO, DstPolicy.SKIP)
    modal_emulator.ask(lambda world: world.clock.set(START))
    with scheduled.app.run():
        travel(modal_emulator, DAY)
    travel(modal_emulator, DAY)
    assert scheduled.notes() == ["nightly hello in ta-", "moody in ta-"]


@pytest.mark.modal(cron_limit=1)
def test_a_deployment_beyond_the_limit_is_refused_whole(modal_emulator: Running) -> None:
    text = r"reached limit of 1 cron jobs \(# already deployed => 0, # in this app => 2\)"
    with pytest.raises(Exception, match=f"^.*Deployment failed: {text}"):
        deploy(scheduled.app)
    with pytest.raises(modal.exception.NotFoundError):
        modal.Function.from_name("scheduled", "nightly").hydrate()
    assert modal_emulator.ask(lambda world: world.schedules.list()) == ()


@pytest.mark.modal(runtime="process")  # threads would find the newer code under the app's name
def test_a_deployment_with_a_bad_schedule_changes_nothing(modal_emulator: Running) -> None:
    modal_emulator.ask(lambda world: world.clock.set(START))
    deploy(scheduled.app)
    before = modal_emulator.ask(lambda world: world.schedules.list())
    worse = modal.App("scheduled")
    worse.function(serialized=True, name="nightly", schedule=modal.Cron("5 5 * * *"))(print_it)
    worse.function(serialized=True, name="broken", schedule=modal.Cron("5 5 * *"))(print_it)
    with pytest.raises(Exception, match=r"'broken', Cron\('5 5 \* \*', .*it has 4 fields"):
        worse.deploy(name="scheduled")
    assert modal_emulator.ask(lambda world: world.schedules.list()) == before
    travel(modal_emulator, DAY)
    assert scheduled.notes()[0] == "nightly hello in ta-"


def print_it() -> None:
    print("it")


@contextmanager
def server(directory: Path, policy: MissedRuns) -> Iterator[Running]:
    """Run an emulator that keeps its state there, with this process's SDK on it."""
    settings = Settings(runtime="inline", schedules=ScheduleRules(missed_runs=policy))
    with running(directory, settings=settings) as emulator, ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in pointed(emulator.environment, os.environ, os.devnull).items():
            patch.setenv(name, value)
        stack.enter_context(LentClient().lent())
        yield emulator


def test_a_server_makes_up_for_what_was_due_while_it_was_down(tmp_path: Path) -> None:
    app = modal.App("kept")
    daily = modal.Period(days=1)
    for name in ("daily", "paused"):
        app.function(serialized=True, name=name, schedule=daily)(print_it)
    with server(tmp_path, MissedRuns.SKIP) as emulator:
        emulator.ask(lambda world: world.clock.set(time.time() - 4.5 * DAY))
        deploy(app)
        emulator.ask(lambda world: world.schedules.pause("paused"))
        travel(emulator, 1.2 * DAY)
        (ran,) = emulator.ask(lambda world: world.schedules.history())
        assert (ran.function, ran.status) == ("daily", "success")
    with server(tmp_path, MissedRuns.LATEST) as emulator:

        def over(world: World) -> bool:
            return [f.status for f in world.schedules.history()] == ["success"]

        assert eventually(lambda: emulator.ask(over))
        (made_up,) = emulator.ask(lambda world: world.schedules.history())
        assert (made_up.function, made_up.cause) == ("daily", Cause.MISSED)
        assert made_up.due == ran.due + 3 * DAY
        (missed,) = emulator.journal("schedule.missed")
        assert (missed.values["count"], missed.values["made_up"]) == (3, 1)
        listed = emulator.ask(lambda world: world.schedules.list())
        assert [(s.paused, s.next) for s in listed] == [(False, ran.due + 4 * DAY), (True, None)]
