"""Environments as code of the SDK meets them."""

from typing import Any

import modal
import pytest

from commands import modal_command
from modal_emulator.emulator import Running

pytestmark = pytest.mark.slow


def deploy(environment: str, said: str) -> None:
    app = modal.App("shop")

    def tell() -> str:
        # Nothing is said of an environment here: it is the container's own.
        seen = modal.Dict.from_name("seen", create_if_missing=True)
        seen["by"] = said
        return said

    app.function(name="tell", serialized=True)(tell)
    app.deploy(name="shop", environment_name=environment)


def function(environment: str | None) -> Any:
    return modal.Function.from_name("shop", "tell", environment_name=environment)


def in_environment(emulator: Running, name: str) -> dict[str, Any]:
    return dict(emulator.dict("seen", environment=name).items())


def create(*names: str) -> None:
    for name in names:
        assert modal_command("environment", "create", name).code == 0


def test_each_has_its_own_apps_and_objects(
    modal_emulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    create("dev", "prod")
    deploy("dev", "from dev")
    deploy("prod", "from prod")
    assert function("dev").remote() == "from dev"
    assert function("prod").remote() == "from prod"
    assert in_environment(modal_emulator, "dev") == {"by": "from dev"}
    assert in_environment(modal_emulator, "prod") == {"by": "from prod"}
    with pytest.raises(
        modal.exception.NotFoundError, match="'shop' not found in environment 'main'"
    ):
        function(None).hydrate()
    with pytest.raises(modal.exception.NotFoundError, match="Environment 'stage' not found"):
        function("stage").hydrate()
    with pytest.raises(Exception, match="Environment 'stage' not found"):
        deploy("stage", "nowhere")
    monkeypatch.setenv("MODAL_ENVIRONMENT", "dev")
    assert function(None).remote() == "from dev"


def test_a_deleted_one_takes_its_apps_and_objects_along(modal_emulator: Running) -> None:
    create("dev")
    deploy("dev", "first")
    tell = function("dev")
    assert tell.remote() == "first" and len(modal_emulator.containers("tell")) == 1
    assert modal_command("environment", "delete", "dev", _yes()).code == 0
    assert modal_emulator.containers("tell") == ()
    with pytest.raises(Exception, match="is stopped"):
        tell.remote()

    create("dev")
    with pytest.raises(
        modal.exception.NotFoundError, match="'shop' not found in environment 'dev'"
    ):
        function("dev").hydrate()
    assert modal_emulator.ask(lambda world: world.apps.in_environment("dev")) == []
    deploy("dev", "second")
    assert function("dev").remote() == "second"


def test_a_renamed_one_takes_its_apps_and_objects_along(modal_emulator: Running) -> None:
    create("dev")
    deploy("dev", "moved")
    assert modal_command("environment", "update", "dev", "--set-name", "stage").code == 0
    assert function("stage").remote() == "moved"
    assert in_environment(modal_emulator, "stage") == {"by": "moved"}


def _yes() -> str:
    usage = modal_command("environment", "delete", "--help").text
    return "--yes" if "--yes" in usage else "--confirm"
