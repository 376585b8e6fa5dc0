"""What a schedule may say, and what refuses it."""

import re
from collections.abc import Callable

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Scene, paths
from modal_contracts.ticking import runs

__all__ = ()

DECORATOR = inferred("modal/_functions.py", "_Function._from_local")
NO_ONE_SAW = "the SDK checks nothing and the words are not known; to accept it would mean nothing"
DAILY = modal.Cron("0 4 * * *")


def _takes_one(who: str) -> str:
    return f"hello {who}"


def _takes_what_is_there(who: str = "world") -> str:
    return f"hello {who}"


@clause("schedules/a-schedule-needs-a-function-without-arguments", DECORATOR)
def test_a_schedule_needs_a_function_without_arguments() -> None:
    """A function that cannot be called without arguments gets no schedule."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.App().function(serialized=True, schedule=DAILY)(_takes_one)
    assert re.fullmatch(
        r"Function <function _takes_one at 0x[0-9a-f]+> has a schedule, so it needs to support "
        "being called with no arguments",
        str(refusal.value),
    )


@clause("schedules/defaults-are-as-good-as-no-arguments", DECORATOR)
def test_defaults_are_as_good_as_no_arguments() -> None:
    """A function whose arguments all have defaults may have a schedule."""
    app = modal.App()
    function = app.function(serialized=True, schedule=DAILY)(_takes_what_is_there)
    assert function.local() == "hello world"


@clause("schedules/the-sdk-takes-any-cron", inferred("modal/schedule.py", "Cron"))
def test_the_sdk_takes_any_cron() -> None:
    """What is in a Cron is not looked at before it is deployed."""
    modal.Cron("whenever it suits")


@clause(
    "schedules/a-scheduled-function-can-be-called",
    documented("guide/cron"),
)
def test_a_scheduled_function_can_be_called(scene: Scene) -> None:
    """A function with a schedule is called as any other, when its app is deployed."""
    name, volume = scene.unused_name(), scene.volume()
    scene.stop_time()
    scene.deploy(name, volume, {"tick": DAILY})
    modal.Function.from_name(name, "tick").remote()
    scene.settle()
    assert runs(paths(volume)) == {"tick": 1}


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "61 * * * *", "* 24 * * *", "* * * * 9", "soon"]
)
@clause("schedules/a-senseless-cron-is-not-deployed", assumed(NO_ONE_SAW))
def test_a_senseless_cron_is_not_deployed(scene: Scene, expression: str) -> None:
    """A deployment with a Cron that is no crontab expression fails."""
    _is_refused(scene, lambda: modal.Cron(expression))


@clause("schedules/an-unknown-time-zone-is-not-deployed", assumed(NO_ONE_SAW), since="1.0.3")
def test_an_unknown_time_zone_is_not_deployed(scene: Scene) -> None:
    """A deployment with a time zone that there is not fails."""
    _is_refused(scene, lambda: modal.Cron("0 4 * * *", timezone="Mars/Olympus_Mons"))


@clause("schedules/no-span-is-not-deployed", assumed(NO_ONE_SAW))
def test_no_span_is_not_deployed(scene: Scene) -> None:
    """A deployment with a Period of nothing fails."""
    _is_refused(scene, modal.Period)


@clause(
    "schedules/a-refused-deployment-changes-nothing",
    assumed("an app gets its functions by one call that publishes them all"),
)
def test_a_refused_deployment_changes_nothing(scene: Scene) -> None:
    """After a deployment that failed over one schedule, the functions are those of before."""
    name, volume = scene.unused_name(), scene.volume()
    scene.deploy(name, volume, {"tick": DAILY})
    with pytest.raises(modal.exception.Error):
        scene.deploy(name, volume, {"other": DAILY, "wrong": modal.Cron("soon")})
    modal.Function.from_name(name, "tick").hydrate()
    with pytest.raises(modal.exception.NotFoundError):
        modal.Function.from_name(name, "other").hydrate()


def _is_refused(scene: Scene, make: Callable[[], modal.schedule.Schedule]) -> None:
    name = scene.unused_name()
    with pytest.raises(modal.exception.Error):
        scene.deploy(name, scene.volume(), {"fine": DAILY, "wrong": make()})
    with pytest.raises(modal.exception.NotFoundError):
        modal.Function.from_name(name, "fine").hydrate()
