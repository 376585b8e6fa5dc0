"""Where containers run, with the SDK."""

import inspect
import os
from collections.abc import Callable
from typing import Any

import modal
import pytest

from modal_emulator.emulator import Running
from modal_emulator.ground.errors import Conflict, Invalid

pytestmark = pytest.mark.slow


def where() -> tuple[str, str]:
    return os.environ["MODAL_REGION"], os.environ["MODAL_CLOUD_PROVIDER"]


def placed(**options: Any) -> Any:
    app = modal.App()
    return app, app.function(serialized=True, name="where", **options)(where)


def holding() -> Callable[[], str]:
    def hold() -> str:
        hall: modal.Queue = modal.Queue.from_name("hall", create_if_missing=True)
        hall.put(os.environ["MODAL_REGION"])
        modal.Queue.from_name("gate", create_if_missing=True).get()
        return os.environ["MODAL_REGION"]

    return hold


def test_a_container_knows_where_it_is(modal_emulator: Running) -> None:
    app, function = placed(region="uk", cloud="gcp")
    with app.run():
        assert function.remote() == ("europe-west2", "CLOUD_PROVIDER_GCP")
        (container,) = modal_emulator.containers("where")
        assert (container.region, container.cloud, container.zone) == ("europe-west2", "gcp", "")
    (started,) = modal_emulator.journal("container.start")
    assert (started.values["region"], started.values["cloud"]) == ("europe-west2", "gcp")


@pytest.mark.parametrize("options", [{"region": "moon"}, {"region": ["us", "x"]}, {"cloud": "y"}])
def test_unknown_places_are_refused(modal_emulator: Running, options: dict[str, Any]) -> None:
    app, _ = placed(**options)
    with pytest.raises(Exception, match=r"Unknown (region|cloud provider)"), app.run():
        pass


@pytest.mark.modal(runtime="process")
def test_a_region_that_goes_down_takes_its_containers_along(modal_emulator: Running) -> None:
    hall = modal.Queue.from_name("hall", create_if_missing=True)
    gate = modal.Queue.from_name("gate", create_if_missing=True)
    app = modal.App("outage")
    function = app.function(
        serialized=True, name="hold", region=["eu-north-1", "ca-central-1"], max_containers=1
    )(holding())
    with app.run():
        call = function.spawn()
        assert hall.get() == "eu-north-1"
        container = modal_emulator.container("hold")
        modal_emulator.regions.down("eu")
        assert container.is_gone and hall.get() == "ca-central-1"
        with modal_emulator.regions.outage("ca"):
            # Nowhere to go: the input waits for either of them.
            assert modal_emulator.containers("hold") == () and hall.len() == 0
            assert [r.name for r in modal_emulator.regions.list() if not r.is_up][-1].startswith(
                "ca-"
            )
        assert hall.get() == "ca-central-1"
        gate.put(1)
        assert call.get() == "ca-central-1"
    with pytest.raises(Invalid, match="Unknown region: 'moon'"):
        modal_emulator.regions.down("moon")


def test_threads_are_interrupted_when_their_region_goes_down(modal_emulator: Running) -> None:
    app, function = placed(region=["us-west-2", "us-east-2"])
    with app.run():
        assert function.remote()[0] == "us-west-2"
        modal_emulator.regions.down("us-west")
        assert modal_emulator.containers("where") == ()
        assert function.remote()[0] == "us-east-2"


@pytest.mark.skipif(
    "nonpreemptible" not in inspect.signature(modal.App.function).parameters,
    reason="this SDK asks for no such containers",
)
def test_a_nonpreemptible_container_is_not_taken_away(modal_emulator: Running) -> None:
    app, function = placed(nonpreemptible=True)
    with app.run():
        function.remote()
        with pytest.raises(Conflict, match="nonpreemptible"):
            modal_emulator.container("where").preempt()
