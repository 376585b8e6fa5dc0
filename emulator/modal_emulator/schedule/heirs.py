"""
Which functions leave something: what is to become of the files of their containers.

Who names heirs and who starts containers do not know one another.
"""

from modal_emulator.runtime.images import Heir

__all__ = ["Heirs"]


class Heirs:
    """Heirs by function."""

    def __init__(self) -> None:
        self._heirs: dict[str, Heir] = {}

    def name(self, function_id: str, heir: Heir) -> None:
        """Let the containers of this function be inherited from now on."""
        self._heirs[function_id] = heir

    def forget(self, function_id: str) -> None:
        """Let those that come later be nobody's."""
        self._heirs.pop(function_id, None)

    def of(self, function_id: str) -> Heir | None:
        """Return who inherits what a container of this function leaves."""
        return self._heirs.get(function_id)
