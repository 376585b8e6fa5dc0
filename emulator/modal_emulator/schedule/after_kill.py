"""What becomes of uncommitted writes when a container dies without an exit commit."""

from enum import Enum

__all__ = ["AfterKill"]


class AfterKill(str, Enum):
    """
    What becomes of uncommitted writes when a container dies without an exit commit.

    That is SIGKILL, a crash, running out of memory, and outliving the grace after an interrupt.
    For Functions nobody has said what Modal does. Of a Sandbox that was terminated abruptly a
    user found 1 of 7 messages on a volume of version 1 and all 7 on one of version 2
    (modal-semantics 1.5 [observed]); the protocol has a field for commits "driven by the
    runtime" after a container's exit, so the platform can commit without the container.
    """

    OBSERVED = "observed"
    """As seen with Sandboxes: lost on version 1, committed by the platform on version 2."""
    LOST = "lost"
    """Lost on both: the careful choice for tests, as nothing is promised."""
    KEPT = "kept"
    """Committed by the platform on both."""

    def keeps(self, version: int) -> bool:
        """Say whether the platform commits a volume of this version."""
        return self is AfterKill.KEPT or (self is AfterKill.OBSERVED and version == 2)
