"""
The seam between a container of threads and the files it sees.

One kind of `Place` mounts in the thread's own namespace, another one copies directories and
redirects Python's file functions. `InlineBackend` asks a `Place` what it offers, never what it is.
"""

from typing import Protocol

from modal_emulator.runtime.backend import Capability, Plan, View

__all__ = ["Place", "Places"]


class Place(Protocol):
    """
    What one container sees of files.

    Two threads deal with it. The *keeper* sees the container's mounts and the machine's own root,
    makes the place, changes it and takes it away, one thing at a time. The *main* thread enters it;
    it and all that it starts see the container's root and working directory.
    """

    def build(self) -> None:
        """
        On the keeper, first of all: make everything, with every volume of the plan shown.

        Raises:
            OSError: the machine refuses; nothing of it is left.
        """
        ...

    def enter(self) -> None:
        """
        On the main thread, which the keeper has started: see the container's files from now.

        `HERE` says already which container it is.
        """
        ...

    def attach(self, volume_id: str, view: View) -> None:
        """On the keeper: show the volume again."""
        ...

    def detach(self, volume_id: str) -> None:
        """
        On the keeper: take the volume away; its path then shows an empty directory.

        Raises:
            OpenFiles: something in the container holds it; nothing was changed.
        """
        ...

    def collect(self, volume_id: str) -> frozenset[int]:
        """On the keeper: as `Container.collect`."""
        ...

    def leave(self) -> None:
        """
        On the keeper, last of all: take everything away, also what somebody still holds.

        What the container wrote to its volumes is then in their `changes`, as after `collect`.
        Threads of the container that have not ended see empty directories from then on.
        """
        ...

    def remove(self) -> None:
        """On the keeper, when the end has been told: delete files that nobody sees any more."""
        ...


class Places(Protocol):
    """Makes places."""

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers in such a place can do."""
        ...

    @property
    def notice(self) -> str:
        """One line for the user saying what such places cannot do here, or an empty string."""
        ...

    def place(self, plan: Plan) -> Place:
        """Return the place of one container; nothing is made yet."""
        ...

    def close(self) -> None:
        """Take back what was changed in this process for all of them."""
        ...
