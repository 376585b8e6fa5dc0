"""The clock and the schedules in the hand of a test."""

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from contextvars import copy_context
from datetime import datetime, timedelta, timezone
from threading import Event, Thread

import pytest

import clockwork
from modal_emulator.emulator import Running, Settings
from modal_emulator.ground.clock import machine_time
from modal_emulator.ground.errors import Conflict, EmulatorError, Invalid, NotFound
from modal_emulator.ground.instants import Beginning
from modal_emulator.ground.journal import Event as JournalEvent
from modal_emulator.runtime.inline.here import HERE, Here

pytestmark = [
    pytest.mark.slow,
    pytest.mark.modal(clock="2024-01-31T00:00:00Z", background_commit_seconds=0),
]

MIDNIGHT = datetime(2024, 1, 31, tzinfo=timezone.utc)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def deployed(modal_emulator: Running) -> Iterator[Running]:
    clockwork.app.deploy()
    return modal_emulator


def test_a_clock_is_set(modal_emulator: Running) -> None:
    clock = modal_emulator.clock
    assert (clock.now(), clock.mode, clock.rate) == (MIDNIGHT, "frozen", 0)
    assert clock.timestamp() == MIDNIGHT.timestamp()
    assert repr(clock) == "<clock frozen at 2024-01-31T00:00:00Z>"
    clock.freeze("2024-02-29")
    assert clock.now() == datetime(2024, 2, 29, tzinfo=timezone.utc)
    clock.run(datetime(2030, 1, 1))
    assert clock.mode == "offset"
    clock.run(rate=60)
    assert (clock.mode, clock.rate) == ("accelerated", 60)
    assert clock.now() >= datetime(2030, 1, 1, tzinfo=timezone.utc)
    clock.resume()
    assert clock.mode == "real"
    assert abs(clock.timestamp() - machine_time()) < 60


def test_time_passes_and_what_is_due_has_run(deployed: Running) -> None:
    clock = deployed.clock
    assert clock.advance(hours=1) == ()
    (run,) = clock.advance("1h")
    assert (run.app, run.function, run.cause) == ("clockwork", "nightly", "due")
    assert run.due == run.fired_at == run.started_at == run.finished_at == MIDNIGHT + 2 * HOUR
    assert (run.status, run.error, run.attempts) == ("success", "", 1)
    assert run.container_id.startswith("ta-") and run.call_id.startswith("fc-")
    runs = clock.move_to(MIDNIGHT + DAY)
    assert [(r.function, r.due - MIDNIGHT) for r in runs] == [
        ("twice", 12 * HOUR),
        ("twice", 24 * HOUR),
    ]
    assert clock.now() == MIDNIGHT + DAY


def test_the_next_one_runs(deployed: Running) -> None:
    functions = [run.function for _ in range(4) for run in deployed.clock.run_next()]
    assert functions == ["nightly", "twice", "twice", "nightly"]
    assert deployed.clock.now() == MIDNIGHT + DAY + 2 * HOUR


def test_time_passes_until_something_is_true(deployed: Running) -> None:
    runs = deployed.clock.run_until(lambda: len(deployed.cron.history("nightly")) == 2)
    assert [run.function for run in runs] == ["nightly", "twice", "twice", "nightly"]
    assert deployed.clock.now() == MIDNIGHT + DAY + 2 * HOUR
    assert deployed.clock.run_until(lambda: True) == ()
    with pytest.raises(Conflict, match="not come true until 2024-02-01T05:00:00Z"):
        deployed.clock.run_until(lambda: False, limit="3h")
    assert deployed.clock.now() == MIDNIGHT + DAY + 5 * HOUR
    (run,) = deployed.clock.run_until("2024-02-01T12:00Z")
    assert run.function == "twice"


def test_a_clock_that_runs_can_be_moved(deployed: Running) -> None:
    deployed.clock.run(rate=1)
    assert [run.function for run in deployed.clock.advance(hours=2)] == ["nightly"]
    assert deployed.clock.mode == "offset"
    assert deployed.clock.advance(0) == ()
    assert deployed.clock.run_next()[0].function == "twice"
    deployed.clock.resume()
    assert deployed.clock.advance(days=1)
    assert deployed.clock.timestamp() > machine_time() + 23 * 3600


def test_the_clock_goes_on_by_itself(deployed: Running) -> None:
    clock, enough, over = deployed.clock, Event(), []

    def hear(event: JournalEvent) -> None:
        over.extend([event] if event.kind == "schedule.finished" else [])
        if len(over) == 9:
            enough.set()

    deployed.ask(lambda world: world.journal.listen(hear))
    with clock.autojump(until=MIDNIGHT + 3 * DAY):
        assert enough.wait(60)
    assert clock.now() == MIDNIGHT + 3 * DAY
    assert [run.status for run in deployed.cron.history()] == ["success"] * 9
    assert deployed.cron.history()[-1].due == MIDNIGHT + 3 * DAY
    assert clock.mode == "frozen"


def test_what_cannot_be_done_is_said(modal_emulator: Running) -> None:
    clock = modal_emulator.clock
    for move, why in (
        (lambda: clock.move_to("2024-01-30"), "it is 2024-01-31T00:00:00Z, and 2024-01-30T00:00"),
        (lambda: clock.advance("-1h"), "no span"),
        (lambda: clock.advance(hours=-1), "does not go forward"),
        (lambda: clock.advance(), "say how much"),
        (lambda: clock.advance("1h", hours=1), "say how much"),
        (lambda: clock.advance(fortnights=1), "fortnights"),
        (lambda: clock.advance(days=4_000_000), "beyond the year 9999"),
        (lambda: clock.move_to("9999-12-31T23:59:59-01:00"), "between the years 1970 and 9999"),
        (lambda: clock.freeze("tomorrow"), "is no instant"),
        (lambda: clock.run(rate=0), "no rate at which time runs"),
        (lambda: clock.run(rate=-1), "no rate at which time runs"),
    ):
        with pytest.raises(Invalid, match=why):
            move()
    with pytest.raises(Conflict, match="no schedule is due"):
        clock.run_next()
    assert clock.now() == MIDNIGHT


def test_a_container_looks_at_the_clock_and_does_not_touch_it(modal_emulator: Running) -> None:
    clock = modal_emulator.clock
    moves: tuple[Callable[[], object], ...] = (
        clock.freeze,
        clock.run,
        clock.resume,
        clock.run_next,
        lambda: clock.advance("1s"),
        lambda: clock.move_to("2025-01-01"),
        lambda: clock.run_until(lambda: False),
        lambda: clock.autojump().__enter__(),
    )

    def inside() -> None:
        HERE.set(Here("ta-1", {}, lambda _stream, _text: None))
        assert clock.now() == MIDNIGHT and clock.mode == "frozen"
        for move in moves:
            with pytest.raises(Conflict, match="container ta-1 cannot move the clock"):
                move()

    copy_context().run(inside)
    assert clock.now() == MIDNIGHT


def test_the_next_world_begins_with_the_clock_of_its_settings(modal_emulator: Running) -> None:
    clock = modal_emulator.clock
    modal_emulator.reset(Settings(clock=Beginning(0.0, 3600)))
    assert (clock.mode, clock.now().year) == ("accelerated", 1970)
    modal_emulator.reset(Settings(clock=Beginning(None, 0.0)))
    assert clock.mode == "frozen" and clock.now() > MIDNIGHT + DAY
    modal_emulator.reset()
    assert clock.mode == "real"


def test_a_reset_ends_the_journey_of_another_thread(deployed: Running) -> None:
    begun, over = Event(), Event()

    def goal() -> bool:
        begun.set()
        return False

    def travel() -> None:
        with suppress(CancelledError, EmulatorError):
            deployed.clock.run_until(goal, limit="5000d")
        over.set()

    Thread(target=travel, daemon=True).start()
    assert begun.wait(60)
    deployed.reset()
    assert over.wait(60)
    assert deployed.clock.mode == "real"


def test_schedules_are_listed_paused_and_run(deployed: Running) -> None:
    cron = deployed.cron
    nightly, twice = cron.list()
    assert (nightly.app, nightly.function) == ("clockwork", "nightly")
    assert nightly.schedule == "Cron('0 2 * * *', timezone='UTC')"
    assert (nightly.next, nightly.last, nightly.runs) == (MIDNIGHT + 2 * HOUR, None, 0)
    assert nightly.fires and not nightly.paused
    assert twice.schedule == "Period(hours=12)"
    coming = [(each.function, each.next) for each in cron.next(4)]
    assert [name for name, _ in coming] == ["nightly", "twice", "twice", "nightly"]
    assert [each.function for each in cron.next()] == ["nightly"]

    (paused,) = cron.pause("nightly")
    assert paused.paused and paused.next is None
    assert [run.function for run in deployed.clock.advance(days=1)] == ["twice"] * 2
    (run,) = cron.run_now("clockwork/nightly")
    assert (run.cause, run.status, run.due) == ("by hand", "success", MIDNIGHT + DAY)
    assert [run.function for run in cron.history()] == ["twice", "twice", "nightly"]
    (resumed,) = cron.resume("nightly")
    assert resumed.next == MIDNIGHT + DAY + 2 * HOUR and resumed.runs == 1
    assert resumed.last == cron.history("nightly")[0]
    assert len(cron.history()) == len(cron.history("clockwork")) == 3
    for act in (cron.pause, cron.resume, cron.run_now):
        with pytest.raises(NotFound, match="No schedule of 'unscheduled' found"):
            act("unscheduled")
