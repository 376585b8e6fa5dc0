"""How functions and classes of deployed apps are found."""

from typing import Any

import modal
import pytest

from modal_contracts.calling import functions, image
from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred, observed
from modal_contracts.functions import lives, work
from modal_contracts.scene import Scene

__all__ = ()

DEPLOYED = documented("guide/trigger-deployed-functions")


@clause("functions/a-deployed-function-is-found-by-name", DEPLOYED)
def test_a_deployed_function_is_found_by_name(scene: Scene) -> None:
    """A function of a deployed app is found by the names of both, by whoever asks."""
    name = _deploy(scene)
    double: Any = modal.Function.from_name(name, "double")
    assert double.remote(4) == 8
    (caller,) = functions(scene, work.call_others)
    assert caller.remote([double], 5) == [10]
    modal.App.lookup(name)


@clause("functions/a-deployed-class-is-found-by-name", DEPLOYED)
def test_a_deployed_class_is_found_by_name(scene: Scene) -> None:
    """A class of a deployed app is found by name, with its parameters, methods and options."""
    named: Any = modal.Cls.from_name(_deploy(scene), "Named")
    assert named(name="a", count=3).tell.remote() == ("a", 3)
    assert named.with_options(timeout=60)(name="b").tell.remote() == ("b", 1)


@clause("functions/what-is-not-deployed-is-not-found", documented("changelog/1.1.0"), since="1.1.0")
def test_what_is_not_deployed_is_not_found(scene: Scene) -> None:
    """Apps, functions and classes that are not there are said to be not found."""
    name, missing = _deploy(scene), scene.unused_name()
    lookups: list[Any] = [
        modal.Function.from_name(missing, "double"),
        modal.Function.from_name(name, "triple"),
        modal.Cls.from_name(name, "Nobody"),
    ]
    for lookup in lookups:
        with pytest.raises(modal.exception.NotFoundError):
            lookup.hydrate()
    with pytest.raises(modal.exception.NotFoundError, match=missing):
        modal.App.lookup(missing)


@clause(
    "functions/an-app-that-only-runs-cannot-be-looked-up",
    observed("users who looked up a function of an app that was run met `App ... not found`"),
)
def test_an_app_that_only_runs_cannot_be_looked_up(scene: Scene) -> None:
    """A function of an app that is run and not deployed is not found by name."""
    app = modal.App(name := scene.unused_name("app"))
    app.function(name="double", serialized=True, image=image())(work.double)
    with app.run(), pytest.raises(modal.exception.NotFoundError):
        modal.Function.from_name(name, "double").hydrate()


@clause("functions/apps-may-run-within-one-another", documented("guide/apps"))
def test_apps_may_run_within_one_another(scene: Scene) -> None:
    """Several apps may run at the same time, one begun within the other."""
    del scene
    outer, inner = modal.App(), modal.App()
    made = [
        app.function(name="double", serialized=True, image=image())(work.double)
        for app in (outer, inner)
    ]
    first: Any = made[0]
    second: Any = made[1]
    with outer.run():
        assert first.remote(1) == 2
        with inner.run():
            assert (first.remote(2), second.remote(3)) == (4, 6)
        assert first.remote(4) == 8


@clause("functions/an-app-may-include-another", documented("guide/project-structure"))
def test_an_app_may_include_another(scene: Scene) -> None:
    """An app that includes another one runs its functions, too."""
    app, other = modal.App(), modal.App()
    double: Any = app.function(name="double", serialized=True, image=image())(work.double)
    echo: Any = other.function(name="echo", serialized=True, image=image())(work.echo)
    app.include(other)
    scene.run_app(app)
    assert (double.remote(1), echo.remote("here")) == (2, "here")


@clause(
    "functions/a-function-runs-only-while-its-app-does",
    inferred("modal/_object.py", "_Object.hydrate"),
)
def test_a_function_runs_only_while_its_app_does(scene: Scene) -> None:
    """To call a function of an app that does not run is refused."""
    del scene
    double: Any = modal.App().function(serialized=True, image=image())(work.double)
    with pytest.raises(modal.exception.ExecutionError, match="has not been hydrated"):
        double.remote(1)


@clause("functions/closures-are-sent-by-value", documented("sdk/py/latest/modal.App#function"))
def test_closures_are_sent_by_value(scene: Scene) -> None:
    """With `serialized=True` a function brings along what it closes over."""
    by = 7

    def times(number: int) -> int:
        return by * number

    (made,) = functions(scene, times)
    assert made.remote(6) == 42


def _deploy(scene: Scene) -> str:
    name = scene.unused_name("app")
    app = modal.App(name)
    app.function(name="double", serialized=True, image=image())(work.double)
    app.cls(serialized=True, image=image())(lives.Named)
    app.deploy(name=name)
    return name
