"""
One server for a whole test session, and what surrounds each test that uses it.

It owns the order of things: the environment, the guard, the SDK's client and the containers'
output are in place before the test runs, and everything is taken back and the World thrown away
after it, also when the test failed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from modal_emulator.emulator import Running, Settings, running
from modal_emulator.guard import closed_to_modal, pointed
from modal_emulator.pytest_plugin.client import LentClient
from modal_emulator.pytest_plugin.following import Timekeeper
from modal_emulator.pytest_plugin.freezing import follow_freezegun, loops_run_on
from modal_emulator.pytest_plugin.leftovers import Leftovers
from modal_emulator.pytest_plugin.options import with_options
from modal_emulator.pytest_plugin.output import show
from modal_emulator.pytest_plugin.travelling import follow_time_machine

__all__ = ["Session", "open_session"]


class Session:
    """A running emulator, lent to one test after another."""

    def __init__(self, emulator: Running) -> None:
        self._emulator = emulator
        self._client = LentClient()
        self._leftovers = Leftovers(emulator)
        self.refused: list[str] = []
        """What the running test, or the one before, was kept from connecting to."""
        emulator.on_log(show)

    def choose(self, options: Mapping[str, Any]) -> None:
        """
        Give the test that comes a World with these `OPTIONS`.

        Raises:
            EmulatorError: there is no such option, or its value makes no sense.
        """
        self._emulator.reset(with_options(self._emulator.settings, options))

    @contextmanager
    def test(self, name: str | None = None) -> Iterator[Running]:
        """Surround one test; with a name, the ids that it sees are the same each time it runs."""
        self._emulator.sow(name)
        with ExitStack() as stack:
            environment = pointed(self._emulator.environment, os.environ, os.devnull)
            # Neither the shell's nor the profile's, which the SDK may have read long ago: a test
            # finds the default environment, on every machine.
            environment["MODAL_ENVIRONMENT"] = ""
            stack.enter_context(_environment(environment))
            self.refused = stack.enter_context(closed_to_modal(self._emulator.web.lead))
            stack.enter_context(self._client.lent())
            keeper = Timekeeper(self._emulator.run, self._emulator.virtual_clock)
            stack.enter_context(follow_freezegun(keeper))
            stack.enter_context(follow_time_machine(keeper))
            # Comes first on the way out: the test's containers end while all else still stands.
            stack.callback(self._reset)
            yield self._emulator
            self._leftovers.tell_of_test()

    def _reset(self) -> None:
        self._emulator.reset()
        self._leftovers.tell_of_containers()

    def close(self) -> None:
        """Let go of the server's side of the client before the server goes."""
        self._client.close()


@contextmanager
def open_session(options: Mapping[str, Any], transport: str | None = None) -> Iterator[Session]:
    """
    Run an emulator with these `OPTIONS` for the length of the block; `running` knows transports.

    Raises:
        EmulatorError: there is no such option, or its value makes no sense.
    """
    with ExitStack() as stack:
        stack.enter_context(loops_run_on())
        settings = with_options(Settings(), options)
        session = Session(stack.enter_context(running(settings=settings, transport=transport)))
        stack.callback(session.close)
        yield session


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Change `os.environ` for the length of the block; what the test sets itself, it takes back."""
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def _set(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
