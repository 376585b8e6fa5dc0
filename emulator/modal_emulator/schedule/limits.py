"""Bounds of calls and containers that hold where a function says nothing."""

from dataclasses import dataclass

__all__ = ["PoolLimits"]


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """The bounds; times in seconds."""

    max_containers: int = 16
    """Modal's own bound is 4,000 per function; one machine has fewer cores."""
    scaledown_window: float = 60.0  # modal-semantics 5 [doc]
    timeout: float = 300.0  # modal-semantics 5 [doc]
    exit_grace: float = 30.0
    """From the interrupt to the kill, on the emulator's clock (modal-semantics 1.5 [doc])."""
    caller_grace: float = 120.0
    """The machine's seconds after which a call is cancelled that its caller no longer waits for
    (modal-semantics 5 [doc])."""
    failed_starts: int = 1
    """After so many starts in a row that come to nothing the waiting inputs of an app that is not
    deployed fail. Modal has a failure rate and does not say which; here a test hears at once."""
    queued: int = 2_000
    """How many inputs of calls that are waited for may be queued (modal-semantics 5 [doc])."""
    unfinished: int = 25_000
    """How many such inputs may be without an outcome."""
    spawned: int = 1_000_000
    """How many inputs of spawned calls may be queued."""
