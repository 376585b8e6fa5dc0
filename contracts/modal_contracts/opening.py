"""
From a target's name to a target that stands, with the SDK pointed at it.

The order matters: the way out is closed first, then the target opens, then the environment
variables change, and last an environment is made in it; all is taken back in reverse.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points

import pytest

from modal_contracts.guard import closed_to_modal, environ, on_this_machine
from modal_contracts.live import LIVE, open_live, throw_away_environment
from modal_contracts.target import Capability, OpenTarget, Target, offered

__all__ = ["GROUP", "Opened", "find_target", "opened"]

GROUP = "modal_contracts.targets"


@dataclass(frozen=True, slots=True)
class Opened:
    """A target that stands, what it offers, and the environment made in it for this run."""

    target: Target
    offers: frozenset[Capability]
    environment: str


def find_target(name: str, config: pytest.Config) -> OpenTarget:
    """
    Return how to open the target of this name.

    Raises:
        pytest.UsageError: nobody has one.
    """
    if name == LIVE:
        return open_live
    found: OpenTarget | None = config.hook.pytest_modal_contracts_target(name=name)
    if found is not None:
        return found
    offers = entry_points(group=GROUP)
    for offer in offers:
        if offer.name == name:
            loaded: OpenTarget = offer.load()
            return loaded
    known = ", ".join(sorted({LIVE, *(offer.name for offer in offers)}))
    raise pytest.UsageError(f"--modal-target: nobody offers {name!r}; there is: {known}")


@contextmanager
def opened(open_target: OpenTarget, *, may_leave: bool) -> Iterator[Opened]:
    """Open a target for the length of the block; `may_leave` allows one beyond this machine."""
    with ExitStack() as stack:
        if not may_leave:
            stack.enter_context(closed_to_modal())
        target = stack.enter_context(open_target())
        if not may_leave and not on_this_machine(target.environment):
            raise pytest.UsageError(
                "the target is not on this machine: its MODAL_SERVER_URL is "
                f"{target.environment.get('MODAL_SERVER_URL')!r} (see --modal-allow-live)"
            )
        stack.enter_context(environ(target.environment))
        environment = stack.enter_context(throw_away_environment())
        stack.enter_context(environ({"MODAL_ENVIRONMENT": environment}))
        yield Opened(target, offered(target), environment)
