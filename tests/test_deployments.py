"""Apps deployed again, brought back and stopped, with the SDK."""

import os

import modal
import pytest

from modal_emulator.emulator import Running
from commands import modal_command

pytestmark = pytest.mark.slow


def shop(version: str, name: str = "shop", **options: object) -> modal.App:
    app = modal.App(name)

    def say() -> tuple[str, str]:
        return version, os.environ["MODAL_TASK_ID"]

    app.function(name="say", serialized=True, **options)(say)
    return app


def deploy(version: str, name: str = "shop", **options: object) -> None:
    shop(version, name, **options).deploy(name=name)


def say(name: str = "shop") -> tuple[str, str]:
    return modal.Function.from_name(name, "say").remote()


def test_a_rollback(modal_emulator: Running) -> None:
    deploy("one")
    assert say()[0] == "one"
    deploy("two")
    assert say()[0] == "two"
    print(modal_command("app", "rollback", "shop"))
    assert say()[0] == "one"
    print(modal_command("app", "history", "shop"))
