"""
What a test leaves behind, told by name: faults that did not happen, apps and threads that go on.

Each kind is a warning of its own, which pytest's filters turn into an error or silence.
"""

import warnings
from collections.abc import Mapping

from modal_emulator.emulator import Running
from modal_emulator.store.apps import AppState
from modal_emulator.world import World

__all__ = ["AppsLeft", "FaultsLeft", "Leftovers", "ThreadsLeft"]


class FaultsLeft(UserWarning):
    """A test planned faults that did not happen: it may not have tested what it wanted to."""


class AppsLeft(UserWarning):
    """A test ended while an app of its own still ran; the app was ended with it."""


class ThreadsLeft(UserWarning):
    """A function's thread goes on though its container has ended; Python cannot end it."""


class Leftovers:
    """Tells what is left, each thing once."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._told: set[tuple[str, str]] = set()
        self._functions: Mapping[str, str] = {}

    def tell_of_test(self) -> None:
        """Tell what the test has left, while its World is still there."""
        self._functions = self._running.ask(_functions)
        if left := self._running.faults.left:
            warnings.warn(FaultsLeft(f"planned and never met: {', '.join(left)}"), stacklevel=2)
        if apps := self._running.ask(_apps):
            warnings.warn(
                AppsLeft(f"still ran when the test ended: {', '.join(apps)}"), stacklevel=2
            )

    def tell_of_containers(self) -> None:
        """Tell what is left when the containers of the test have ended."""
        for left in self._running.leftovers():
            key = (left.container_id, left.thread)
            if key in self._told:
                continue
            self._told.add(key)
            function = self._functions.get(left.container_id, "a function")
            warnings.warn(
                ThreadsLeft(
                    f"thread {left.thread!r} of {function} goes on at {left.place}, though its "
                    f"container {left.container_id} has ended"
                ),
                stacklevel=2,
            )


def _apps(world: World) -> tuple[str, ...]:
    """Return the apps that only live as long as somebody runs them, and do."""
    return tuple(
        app.name or app.description or app.app_id
        for environment in world.environments.list()
        for app in world.apps.in_environment(environment.name)
        if app.state is AppState.EPHEMERAL
    )


def _functions(world: World) -> Mapping[str, str]:
    """Return the name of the function of each container there was."""
    return {
        str(event.values["container_id"]): world.apps.past(str(event.values["function_id"])).tag
        for event in world.journal.events("container.start")
    }
