"""
The real service as a target, in an environment that is made for the run and thrown away.

Nothing here has been run against a live workspace yet.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import modal
import modal.environments

from modal_contracts.target import Capability, Target

__all__ = [
    "LIVE",
    "Live",
    "make_environment",
    "open_live",
    "throw_away_environment",
    "unfit_for_live",
]

# A container that has taken its last input commits its volumes before it goes; Modal gives exit
# handlers up to 30 seconds (guide/lifecycle-functions). How long the rest takes is not published.
SETTLE_SECONDS = 45.0
SERVICE = "modal.com"
LIVE = "live"
"""The name of this target."""


class Live:
    """Modal itself, reached as the user's own configuration says."""

    offers: frozenset[str] = frozenset(
        capability.value for capability in Capability if capability is not Capability.CLOCK
    )
    environment: Mapping[str, str] = {}

    def settle(self) -> None:
        """Wait out the grace that Modal gives to containers that end."""
        time.sleep(SETTLE_SECONDS)

    def advance(self, seconds: float) -> None:
        """Refuse: nobody moves the service's time."""
        raise NotImplementedError("time passes by itself here")

    def stop_time(self) -> None:
        """Refuse: nobody stops the service's time."""
        raise NotImplementedError("time does not stand here")

    def begin_anew(self) -> None:
        """Refuse: what others made is theirs."""
        raise NotImplementedError("there is no beginning here")


@contextmanager
def open_live() -> Iterator[Target]:
    """Give the service; there is nothing to start or to stop."""
    yield Live()


@contextmanager
def throw_away_environment() -> Iterator[str]:
    """Make an environment of the target's workspace for the block, and delete it with all in it."""
    name = f"contracts-{secrets.token_hex(5)}"
    _, delete = _doors()
    make_environment(name)
    try:
        yield name
    finally:
        delete(name)


def make_environment(name: str) -> None:
    """Make an environment of the target's workspace."""
    create, _ = _doors()
    create(name)


def _doors() -> tuple[Callable[[str], object], Callable[[str], object]]:
    # The newer door is the one that Modal will keep; older releases have the other only.
    manager = getattr(getattr(modal, "Environment", None), "objects", None)
    if manager is not None:
        return manager.create, manager.delete
    return modal.environments.create_environment, modal.environments.delete_environment


def unfit_for_live() -> str:
    """Say what is missing for a run against the service; an empty string when nothing is."""
    from modal.config import config

    url = os.environ.get("MODAL_SERVER_URL")
    if url and not f".{urlsplit(url).hostname}".endswith(f".{SERVICE}"):
        return f"MODAL_SERVER_URL is {url}, which is not Modal itself: unset it"
    if not (config.get("token_id") and config.get("token_secret")):
        return (
            "it needs a token: set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run `modal token new`"
        )
    return ""
