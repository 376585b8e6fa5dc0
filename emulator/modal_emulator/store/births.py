"""
What handles of an earlier World still expect.

An SDK process keeps the ids of named objects in module-level handles, while every test gets a
fresh World. Where the session hands the same `Births` to each World, an id of an earlier one can
be led to the object that has its name now. Nothing here is written to disk.
"""

from dataclasses import dataclass, replace

from modal_emulator.store.images import Image

__all__ = ["Birth", "Births"]


@dataclass(frozen=True, slots=True)
class Birth:
    """The name behind an id, and whether its user asked for it to be made when missing."""

    kind: str
    environment: str
    name: str
    create_if_missing: bool
    version: int


class Births:
    """Remembers, for the length of a session, which name each id stood for."""

    def __init__(self) -> None:
        self._births: dict[str, Birth] = {}
        self.images: dict[str, Image] = {}
        """Images without files, whose ids follow from what they are made of."""

    def record(self, object_id: str, birth: Birth) -> None:
        """
        Remember this use of a name.

        Handles of one name cannot be told apart by id: once one of them asked for the object to be
        made when missing, the id may bring it back for all.
        """
        known = self._births.get(object_id)
        if known is not None and known.create_if_missing:
            birth = replace(birth, create_if_missing=True, version=known.version)
        self._births[object_id] = birth

    def find(self, object_id: str) -> Birth | None:
        """Return what this id stood for, in whatever World."""
        return self._births.get(object_id)
