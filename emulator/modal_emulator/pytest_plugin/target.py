"""
The emulator as a target for suites of claims about Modal.

A suite finds it by the entry point group `modal_contracts.targets`. What a target is, and the
words in which it says what it offers, are that suite's; it is not imported here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from modal_emulator.emulator import Running
from modal_emulator.pytest_plugin.session import open_session
from modal_emulator.runtime.backend import Capability

__all__ = ["EmulatorTarget", "open_target"]

ALWAYS = frozenset(
    {"clock", "containers", "real-paths", "read-only-mounts", "sub-paths", "sudden-death"}
)
OFFERS: dict[Capability, frozenset[str]] = {
    Capability.EXECUTE: frozenset({"sandboxes"}),
    Capability.REAL_MOUNTS: frozenset({"programs"}),
    Capability.OPEN_FILE_REFUSAL: frozenset({"open-files"}),
    Capability.WATCHED_CALLS: frozenset({"volume-rules"}),
}


class EmulatorTarget:
    """A running emulator, seen as something that stands for Modal."""

    def __init__(self, emulator: Running) -> None:
        self._emulator = emulator

    @property
    def offers(self) -> frozenset[str]:
        """What it offers, in the suite's words."""
        return ALWAYS.union(*(OFFERS.get(each, frozenset()) for each in self._emulator.offers))

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which the SDK finds it."""
        return self._emulator.environment

    def settle(self) -> None:
        """Return once the containers that are on their way out are gone."""
        self._emulator.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass on the emulator's clock."""
        self._emulator.clock.advance(seconds)

    def stop_time(self) -> None:
        """Let the emulator's clock stand."""
        self._emulator.clock.freeze()

    def begin_anew(self) -> None:
        """Return to the machine's time, in a fresh World."""
        self._emulator.clock.resume()
        self._emulator.reset(self._emulator.settings)


@contextmanager
def open_target(options: Mapping[str, Any] | None = None) -> Iterator[EmulatorTarget]:
    """Run an emulator for the length of the block, with the SDK's client in this process on it."""
    with open_session(options or {}) as session, session.test() as emulator:
        yield EmulatorTarget(emulator)
