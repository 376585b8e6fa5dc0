"""What runs in a container of threads that is to have nothing in it."""

from threading import Event

__all__ = ["Idle"]


class Idle:
    """A program that waits to be ended."""

    def __init__(self) -> None:
        self._over = Event()

    def run(self) -> int:
        """Wait."""
        self._over.wait()
        return 0

    def interrupt(self) -> None:
        """End."""
        self._over.set()

    def is_deaf(self) -> bool:
        """It always hears."""
        return False

    def abandon(self) -> None:
        """End."""
        self._over.set()
