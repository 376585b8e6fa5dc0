"""Run and test Modal storage code without Modal."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modal_emulator.races import Exploration, RaceFound, explore

__version__ = "0.1.0"
__all__ = ["Exploration", "RaceFound", "__version__", "explore"]


def __getattr__(name: str) -> Any:
    """Import what tests use when they ask for it: every process with the SDK loads this room."""
    if name in ("Exploration", "RaceFound", "explore"):
        from modal_emulator import races

        return getattr(races, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
