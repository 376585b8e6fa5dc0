"""
Functions that were defined for the next publication of their app, which may never come.

A deployed function stays what it is until a publication names the definition that takes its place.
Each proposal knows the version upon which it was made: when another publication came between, its
own is refused, and nothing of it becomes true.
"""

from collections.abc import Iterable, Mapping

from modal_emulator.ground.errors import Conflict
from modal_emulator.store.functions import Function

__all__ = ["Proposals", "locked"]

MOST = 8
"""Of one function; those of deployments that came to nothing are forgotten from the oldest on."""


def locked() -> Conflict:
    """
    Say that two change an app at once.

    The words are Modal's (modal-semantics 5 [observed]). That it says so to whoever publishes what
    was begun before another's publication is a guess.
    """
    return Conflict("The selected app is locked - probably due to a concurrent modification")


class Proposals:
    """Keeps them, by function."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[Function, int]]] = {}

    def put(self, function: Function, version: int) -> None:
        """Propose a function to an app that has come to this version."""
        there = self._of.setdefault(function.function_id, [])
        there.append((function, version))
        del there[:-MOST]

    def newest(self, function_id: str, definition_id: str = "") -> Function | None:
        """Return what is proposed for a function, by its definition or what came last."""
        found = self._find(function_id, definition_id)
        return None if found is None else found[0]

    def chosen(
        self, function_ids: Iterable[str], definition_ids: Mapping[str, str], version: int
    ) -> dict[str, Function]:
        """
        Return, by function, what is proposed to an app of this version; others are left out.

        Raises:
            Conflict: something of it was proposed to an earlier version.
        """
        chosen = {}
        for function_id in function_ids:
            found = self._find(function_id, definition_ids.get(function_id, ""))
            if found is None:
                continue
            function, upon = found
            if upon != version:
                self.drop(function_ids, definition_ids)
                raise locked()
            chosen[function_id] = function
        return chosen

    def drop(self, function_ids: Iterable[str], definition_ids: Mapping[str, str]) -> None:
        """Forget what was published or refused."""
        for function_id in function_ids:
            found = self._find(function_id, definition_ids.get(function_id, ""))
            if found is not None:
                self._of[function_id].remove(found)

    def _find(self, function_id: str, definition_id: str) -> tuple[Function, int] | None:
        there = self._of.get(function_id, [])
        # Of a definition that is not there any more others' are no substitute.
        meant = [p for p in there if definition_id in ("", p[0].definition_id)]
        return meant[-1] if meant else None
