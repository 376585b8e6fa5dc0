"""
An app in several versions, each with functions that tell which one they are of.

They are sent by value; a function that holds tells a Queue that it has begun, and ends when it is
given something by another.
"""

import os
from collections.abc import Callable
from typing import Any

import modal

from modal_contracts.calling import image
from modal_contracts.scene import Scene

__all__ = ["Shop", "holding", "place", "telling", "whereabouts"]


def telling(word: str) -> Callable[[], str]:
    """Return a body that returns a word."""

    def tell() -> str:
        return word

    return tell


def holding(word: str, begun: modal.Queue, given: modal.Queue) -> Callable[[], str]:
    """Return a body that says in one Queue that it runs, waits for another, and returns a word."""

    def hold() -> str:
        begun.put(word)
        given.get()
        return word

    return hold


def place() -> tuple[str, str]:
    """Return what a container says of its region and its cloud."""
    return os.environ["MODAL_REGION"], os.environ["MODAL_CLOUD_PROVIDER"]


class Shop:
    """One deployed app of a clause."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.name = scene.unused_name("shop")

    def deploy(self, *, environment: str | None = None, **bodies: Callable[[], Any]) -> None:
        """Deploy a version that consists of these functions."""
        self.deploy_as({}, environment=environment, **bodies)

    def deploy_as(
        self, how: dict[str, Any], environment: str | None = None, **bodies: Callable[[], Any]
    ) -> None:
        """Deploy a version with these options of `App.deploy`."""
        app = modal.App(self.name)
        for name, body in bodies.items():
            app.function(name=name, serialized=True, image=image())(body)
        app.deploy(name=self.name, environment_name=environment, **how)

    def function(self, name: str = "tell", environment: str | None = None, **which: Any) -> Any:
        """Find a function of the app by name."""
        return modal.Function.from_name(self.name, name, environment_name=environment, **which)

    def command(self, *words: str) -> str:
        """Run `modal app ...` for this app; return what it printed."""
        verb, *arguments = words
        done = self._scene.command("app", verb, self.name, *arguments)
        assert done.code == 0, done.error
        return done.printed.decode()


def whereabouts() -> str:
    """Return in which container it is."""
    return os.environ["MODAL_TASK_ID"]
