"""
Who sees the emulator's time besides the emulator: this process, and containers of processes.

While the clock follows the machine's there is nothing to show, and nothing is. A container that
was made then keeps the machine's time until it ends, so those containers are let go when the clock
leaves it: what comes next runs in new ones.
"""

from collections.abc import Callable
from pathlib import Path

from modal_emulator.ground.clockface import show
from modal_emulator.ground.clockpage import Page
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.sdk import MODULES

__all__ = ["Faces"]


class Faces:
    """Shows one clock as long as it is not the machine's."""

    def __init__(
        self, clock: VirtualClock, page: Path, *, here: bool, on_leaving: Callable[[], None]
    ) -> None:
        """
        Show it on a page for others, and with `here` to this process too.

        `on_leaving` is called when the clock leaves the machine's time.
        """
        self._clock = clock
        self._path = page
        self._here = here
        self._on_leaving = on_leaving
        self._page: Page | None = None
        self._was_real = True
        self._hide: Callable[[], None] | None = None
        self._deafen = clock.listen(self._moved)

    @property
    def page(self) -> Path | None:
        """Where a process finds the instant; None while that is the machine's."""
        return None if self._clock.piece is None or self._page is None else self._page.path

    def close(self) -> None:
        """Show nothing any more."""
        self._deafen()
        self._stop_here()
        if self._page is not None:
            self._page.close()
            self._page = None

    def _moved(self) -> None:
        piece = self._clock.piece
        if self._page is None:
            self._page = Page(self._path)
        self._page.write(piece)
        if piece is None:
            self._was_real = True
            self._stop_here()
            return
        if self._here and self._hide is None:
            self._hide = show(self._instant, MODULES)
        if self._was_real:
            self._was_real = False
            self._on_leaving()

    def _instant(self) -> float | None:
        return None if self._clock.piece is None else self._clock.now()

    def _stop_here(self) -> None:
        if self._hide is not None:
            self._hide()
            self._hide = None
