"""Apps deployed again, brought back, detached and stopped, with the SDK."""

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import modal
import pytest
from modal_proto import api_pb2

from commands import modal_command
from helpers import eventually
from modal_emulator.emulator import Running, Settings, running
from modal_emulator.guard import pointed
from modal_emulator.pytest_plugin.client import LentClient
from modal_emulator.store.apps import App
from modal_emulator.store.deployments import DeploymentKind

pytestmark = pytest.mark.slow

asks_first = pytest.mark.skipif(
    not hasattr(api_pb2, "AppLifecycle"), reason="this SDK's commands do not ask what they stop"
)
NIGHTLY = modal.Cron("0 2 * * *")
HOURLY = modal.Cron("0 * * * *")


def teller(version: str) -> Callable[[], tuple[str, str]]:
    def tell() -> tuple[str, str]:
        return version, os.environ.get("SHOP_KEY", "")

    return tell


def deploy(*functions: str, version: str, **options: Any) -> None:
    """Deploy `shop` with functions that tell its version."""
    app = modal.App("shop")
    for name in functions:
        app.function(name=name, serialized=True, **options)(teller(version))
    app.deploy(name="shop")


def tell(name: str = "tell", **options: Any) -> tuple[str, str]:
    said: tuple[str, str] = modal.Function.from_name("shop", name, **options).remote()
    return said


def shop(emulator: Running) -> App:
    return emulator.ask(lambda world: world.apps.deployed("shop", ""))


def schedules(emulator: Running) -> list[str]:
    return [f"{s.function} {s.schedule}" for s in emulator.cron.list()]


def test_a_rollback_brings_back_all_that_a_version_was(modal_emulator: Running) -> None:
    secret = modal.Secret.from_dict({"SHOP_KEY": "first"})
    deploy("tell", "old", version="v1", schedule=NIGHTLY, secrets=[secret])
    old = modal.Function.from_name("shop", "old")
    assert old.remote() == ("v1", "first")
    deploy("tell", version="v2", schedule=HOURLY)
    assert tell() == ("v2", "")
    assert schedules(modal_emulator) == ["tell Cron('0 * * * *', timezone='UTC')"]
    with pytest.raises(Exception, match="No Function with ID"):
        old.remote()

    assert modal_command("app", "rollback", "shop").code == 0
    assert tell() == ("v1", "first") == old.remote()
    assert [each.split()[0] for each in schedules(modal_emulator)] == ["old", "tell"]
    assert modal_command("app", "rollback", "shop", "v2").code == 0
    assert tell() == ("v2", "")
    assert "has no version 7" in modal_command("app", "rollback", "shop", "v7").text

    app = shop(modal_emulator)
    deployments = modal_emulator.ask(lambda world: world.apps.deployments.of(app.app_id))
    assert [(d.version, d.kind.name, d.again) for d in deployments] == [
        (1, "STANDARD", 0),
        (2, "STANDARD", 0),
        (3, "ROLLBACK", 1),
        (4, "ROLLBACK", 2),
    ]


@pytest.mark.skipif(
    "version" not in inspect.signature(modal.Function.from_name).parameters,
    reason="this SDK asks for no version",
)
def test_a_version_can_be_called_and_staged_ones_promoted(modal_emulator: Running) -> None:
    deploy("tell", version="v1")
    app = modal.App("shop")
    app.function(name="tell", serialized=True)(teller("v2"))
    from modal.runner import deploy_app

    deploy_app(app, staged=True)
    assert tell()[0] == "v1" and shop(modal_emulator).version == 1
    assert tell(version=2)[0] == "v2"
    assert modal_command("app", "promote", "shop", "1").text.endswith("is not staged")
    assert modal_command("app", "promote", "shop", "v2").code == 0
    assert tell()[0] == "v2" and shop(modal_emulator).version == 3
    assert tell(version=1)[0] == "v1"


def deploy_model(factor: int) -> None:
    app = modal.App("shop")

    class Model:
        size: int = modal.parameter(default=1)

        @modal.method()
        def weigh(self) -> int:
            return self.size * factor

    app.cls(serialized=True)(Model)
    app.deploy(name="shop")


def test_an_object_made_before_a_deployment_is_of_the_new_version_after(
    modal_emulator: Running,
) -> None:
    deploy_model(10)
    model = modal.Cls.from_name("shop", "Model")(size=3)
    assert model.weigh.remote() == 30
    deploy_model(1000)
    assert model.weigh.remote() == 3000


def holder(version: str) -> Callable[[], str]:
    def hold() -> str:
        hall: modal.Queue = modal.Queue.from_name("hall", create_if_missing=True)
        hall.put(version)
        modal.Queue.from_name("gate", create_if_missing=True).get()
        return version

    return hold


def deploy_holder(version: str, **options: Any) -> None:
    app = modal.App("shop")
    app.function(name="hold", serialized=True)(holder(version))
    app.deploy(name="shop", **options)


def test_old_containers_drain_and_new_inputs_go_to_new_ones(modal_emulator: Running) -> None:
    hall = modal.Queue.from_name("hall", create_if_missing=True)
    gate = modal.Queue.from_name("gate", create_if_missing=True)
    deploy_holder("v1")
    hold = modal.Function.from_name("shop", "hold")
    first = hold.spawn()
    assert hall.get() == "v1"
    deploy_holder("v2")
    second = hold.spawn()
    assert hall.get() == "v2"
    gate.put_many([1, 2])
    assert (first.get(), second.get()) == ("v1", "v2")
    # The old one is gone, the new one stays warm.
    assert eventually(lambda: len(modal_emulator.containers("hold")) == 1)


@pytest.mark.skipif(
    "strategy" not in inspect.signature(modal.App.deploy).parameters,
    reason="this SDK only deploys in one way",
)
@pytest.mark.modal(runtime="process")
def test_to_recreate_begins_what_runs_again_in_the_new_version(modal_emulator: Running) -> None:
    hall = modal.Queue.from_name("hall", create_if_missing=True)
    gate = modal.Queue.from_name("gate", create_if_missing=True)
    deploy_holder("v1")
    call = modal.Function.from_name("shop", "hold").spawn()
    assert hall.get() == "v1"
    deploy_holder("v2", strategy="recreate")
    assert hall.get() == "v2"
    gate.put(1)
    assert call.get() == "v2"


@contextmanager
def server(directory: Path) -> Iterator[Running]:
    """Run an emulator that keeps its state there, with this process's SDK on it."""
    with running(directory, settings=Settings(runtime="inline")) as emulator, ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in pointed(emulator.environment, os.environ, os.devnull).items():
            patch.setenv(name, value)
        stack.enter_context(LentClient().lent())
        yield emulator


def test_versions_outlast_a_restart(tmp_path: Path) -> None:
    with server(tmp_path):
        deploy("tell", "old", version="v1")
        deploy("tell", version="v2")
    with server(tmp_path) as emulator:
        with pytest.raises(modal.exception.NotFoundError):
            tell("old")
        assert modal_command("app", "rollback", "shop").code == 0
        assert tell() == tell("old") == ("v1", "")
        (_, _, third) = emulator.ask(
            lambda world: world.apps.deployments.of(world.apps.deployed("shop", "").app_id)
        )
        assert (third.kind, third.again) == (DeploymentKind.ROLLBACK, 1)


def test_a_detached_app_ends_with_the_last_of_its_calls(modal_emulator: Running) -> None:
    app = modal.App("tour")
    hold = app.function(name="hold", serialized=True)(holder("v1"))
    with app.run(detach=True):
        call = hold.spawn()
    app_id = app.app_id
    assert app_id is not None
    assert modal.Queue.from_name("hall", create_if_missing=True).get() == "v1"
    assert modal_emulator.ask(lambda world: world.apps.get(app_id).live)
    modal.Queue.from_name("gate", create_if_missing=True).put(1)
    assert call.get() == "v1"
    assert eventually(lambda: not modal_emulator.ask(lambda world: world.apps.get(app_id).live))


@asks_first
@pytest.mark.modal(runtime="process")
def test_stopping_an_app_ends_what_runs(modal_emulator: Running) -> None:
    deploy_holder("v1")
    call = modal.Function.from_name("shop", "hold").spawn()
    assert modal.Queue.from_name("hall", create_if_missing=True).get() == "v1"
    assert modal_command("app", "stop", "shop", "--yes").code == 0
    with pytest.raises(modal.exception.RemoteError, match=r"^Input was cancelled$"):
        call.get()
    said = modal_command("app", "stop", "shop", "--yes")
    assert said.code == 1 and said.text.startswith("App is already stopped. (Stopped at ")
    assert modal_command("app", "rollback", "shop").text == (
        "App 'shop' is not deployed in the 'main' environment."
    )
    with pytest.raises(modal.exception.NotFoundError, match="App 'shop' not found in environment"):
        modal.Function.from_name("shop", "hold").hydrate()


@asks_first
def test_a_container_that_has_ended_is_remembered(modal_emulator: Running) -> None:
    deploy("tell", version="v1")
    tell()
    container = modal_emulator.container("tell")
    assert modal_command("container", "stop", container.container_id, "--yes").code == 0
    container.wait()
    said = modal_command("container", "stop", container.container_id, "--yes")
    assert said.text == f"Container '{container.container_id}' is already stopped.\n"
    nobody = "ta-01M7ZTTRPX0000000000000000"
    assert modal_command("container", "stop", nobody, "--yes").text == (
        f"No Container with ID '{nobody}' found"
    )
