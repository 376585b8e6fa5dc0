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
