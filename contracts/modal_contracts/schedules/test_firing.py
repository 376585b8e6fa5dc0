"""When schedules fire, and when they do not."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import modal

from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Scene, paths
from modal_contracts.target import Capability
from modal_contracts.ticking import runs

__all__ = ()

GUIDE = documented("guide/cron")
CLOCK = {Capability.CLOCK}
HOURLY = modal.Cron("0 * * * *")


def stop_at_half_past(scene: Scene) -> None:
    """Let it be about half past an hour, and stay so: no full hour comes but by `advance`."""
    scene.stop_time()
    scene.advance(minutes=90 - datetime.now(timezone.utc).minute)


@clause("schedules/a-deployed-cron-fires", GUIDE, needs=CLOCK)
def test_a_deployed_cron_fires(scene: Scene) -> None:
    """A deployed function runs whenever its Cron is due, with no arguments."""
    volume = scene.volume()
    stop_at_half_past(scene)
    scene.deploy(scene.unused_name(), volume, {"hourly": HOURLY, "plain": None})
    scene.advance(hours=3)
    assert runs(paths(volume)) == {"hourly": 3}


@clause(
    "schedules/an-app-that-is-run-does-not-fire",
    assumed("the guide says that a schedule is activated by deploying; of `run` it is silent"),
    needs=CLOCK,
)
def test_an_app_that_is_run_does_not_fire(scene: Scene) -> None:
    """Schedules of an ephemeral app do not fire."""
    volume = scene.volume()
    with scene.scheduled(scene.unused_name(), volume, {"hourly": HOURLY}).run():
        scene.advance(hours=3)
    assert paths(volume) == []


@clause(
    "schedules/a-period-comes-after-an-interval",
    assumed("the guide counts from the deployment; that nothing runs at once is read into it"),
    needs=CLOCK,
)
def test_a_period_comes_after_an_interval(scene: Scene) -> None:
    """A Period runs one interval after the deployment for the first time, and so on."""
    volume = scene.volume()
    scene.deploy(scene.unused_name(), volume, {"daily": modal.Period(days=1)})
    scene.advance(hours=23)
    assert paths(volume) == []
    scene.advance(hours=2)
    assert runs(paths(volume)) == {"daily": 1}
    scene.advance(hours=23)
    assert runs(paths(volume)) == {"daily": 2}


@clause("schedules/parts-of-a-period-add-up", inferred("modal/schedule.py", "Period"), needs=CLOCK)
def test_parts_of_a_period_add_up(scene: Scene) -> None:
    """The parts of a Period make one span; seconds may have a fraction."""
    volume = scene.volume()
    span = modal.Period(hours=1, minutes=29, seconds=59.5)
    scene.deploy(scene.unused_name(), volume, {"often": span})
    scene.advance(minutes=89)
    assert paths(volume) == []
    scene.advance(minutes=1)
    assert runs(paths(volume)) == {"often": 1}


@clause("schedules/a-deployment-resets-periods", GUIDE, needs=CLOCK)
def test_a_deployment_resets_periods(scene: Scene) -> None:
    """Deployed again, a Period begins anew: one that is deployed often never runs."""
    name, volume = scene.unused_name(), scene.volume()
    for _ in range(3):
        scene.deploy(name, volume, {"daily": modal.Period(days=1)})
        scene.advance(hours=23)
    assert paths(volume) == []
    scene.advance(hours=2)
    assert runs(paths(volume)) == {"daily": 1}


@clause("schedules/a-deployment-leaves-crons-alone", GUIDE, needs=CLOCK)
def test_a_deployment_leaves_crons_alone(scene: Scene) -> None:
    """Deployed again, a Cron runs when it would have run."""
    name, volume = scene.unused_name(), scene.volume()
    stop_at_half_past(scene)
    for _ in range(3):
        scene.deploy(name, volume, {"hourly": HOURLY})
        scene.advance(minutes=40)
    assert runs(paths(volume)) == {"hourly": 2}


@clause("schedules/a-removed-schedule-fires-no-more", GUIDE, needs=CLOCK)
def test_a_removed_schedule_fires_no_more(scene: Scene) -> None:
    """A schedule that the next deployment leaves out is over, and the function stays."""
    name, volume = scene.unused_name(), scene.volume()
    stop_at_half_past(scene)
    scene.deploy(name, volume, {"tick": HOURLY})
    scene.deploy(name, volume, {"tick": None})
    scene.advance(hours=3)
    assert paths(volume) == []
    modal.Function.from_name(name, "tick").hydrate()


@clause("schedules/a-stopped-app-fires-no-more", GUIDE, needs=CLOCK)
def test_a_stopped_app_fires_no_more(scene: Scene) -> None:
    """To stop the app stops its schedules."""
    name, volume = scene.unused_name(), scene.volume()
    stop_at_half_past(scene)
    scene.deploy(name, volume, {"hourly": HOURLY})
    scene.stop_app(name)
    scene.advance(hours=3)
    assert paths(volume) == []


@clause(
    "schedules/scheduled-runs-are-tried-again",
    assumed("`retries` belongs to the function, however it is called"),
    needs=CLOCK,
)
def test_scheduled_runs_are_tried_again(scene: Scene) -> None:
    """A run that fails is repeated as often as the function says, and no more until it is due."""
    volume = scene.volume()
    stop_at_half_past(scene)
    scene.deploy(scene.unused_name(), volume, {"failing": HOURLY}, retries=2)
    scene.advance(minutes=61)
    assert runs(paths(volume)) == {"failing": 3}


@clause(
    "schedules/a-time-of-day-is-that-of-its-zone",
    documented("sdk/py/latest/modal.Cron"),
    needs=CLOCK,
    since="1.0.3",
)
def test_a_time_of_day_is_that_of_its_zone(scene: Scene) -> None:
    """A Cron with a time zone is due by the clocks there, in summer as in winter."""
    volume, zone = scene.volume(), ZoneInfo("America/New_York")
    now = datetime.now(zone)
    first = (now + timedelta(days=2)).replace(hour=6, minute=0, second=0)
    dates = {"first": first, "later": first + timedelta(days=182)}
    crons = {
        name: modal.Cron(f"0 6 {day.day} {day.month} *", timezone=zone.key)
        for name, day in dates.items()
    }
    scene.deploy(scene.unused_name(), volume, crons)
    for count, day in enumerate(dates.values()):
        scene.advance(seconds=day.timestamp() - now.timestamp() - 300)
        assert len(paths(volume)) == count
        scene.advance(seconds=600)
        assert len(paths(volume)) == count + 1
        now = day + timedelta(seconds=300)
