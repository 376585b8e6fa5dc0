"""
Who sees the emulator's time besides the emulator: this process, and containers of processes.

While the clock follows the machine's there is nothing to show, and nothing is. A container that
was made then keeps the machine's time until it ends, so those containers are let go when the clock
leaves it: what comes next runs in new ones.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from modal_emulator.ground.clock import machine_time, monotonic
from modal_emulator.ground.clockface import show
from modal_emulator.ground.clockpage import Page
from modal_emulator.ground.pieces import Piece
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.runtime.inline.here import here
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
        self._skews: dict[str, float] = {}
        self._skewed: dict[float, Page] = {}
        self._was_real = True
        self._hide: Callable[[], None] | None = None
        self._deafen = clock.listen(self._moved)

    def skew(self, container_id: str, seconds: float) -> Path:
        """Show the clock so many seconds ahead to one container; returns the page for processes."""
        self._skews[container_id] = seconds
        if self._here and self._hide is None:
            self._hide = show(self._instant, MODULES)
        page = self._skewed.get(seconds)
        if page is None:
            page = Page(self._path.with_name(f"{self._path.name}{len(self._skewed)}"))
            self._skewed[seconds] = page
            page.write(self._ahead(seconds))
        return page.path

    def align(self) -> None:
        """Forget the skews: their containers are gone."""
        self._skews.clear()
        while self._skewed:
            self._skewed.popitem()[1].close()
        if self._clock.piece is None:
            self._stop_here()

    @property
    def page(self) -> Path | None:
        """Where a process finds the instant; None while that is the machine's."""
        return None if self._clock.piece is None or self._page is None else self._page.path

    def close(self) -> None:
        """Show nothing any more."""
        self._deafen()
        self.align()
        self._stop_here()
        if self._page is not None:
            self._page.close()
            self._page = None

    def _moved(self) -> None:
        piece = self._clock.piece
        if self._page is None:
            self._page = Page(self._path)
        self._page.write(piece)
        for seconds, page in self._skewed.items():
            page.write(self._ahead(seconds))
        if piece is None:
            self._was_real = True
            if not self._skews:
                self._stop_here()
            return
        if self._here and self._hide is None:
            self._hide = show(self._instant, MODULES)
        if self._was_real:
            self._was_real = False
            self._on_leaving()

    def _instant(self) -> float | None:
        container = here() if self._skews else None
        skew = 0.0 if container is None else self._skews.get(container.container_id, 0.0)
        if skew:
            return self._clock.now() + skew
        return None if self._clock.piece is None else self._clock.now()

    def _ahead(self, seconds: float) -> Piece:
        piece = self._clock.piece or Piece(monotonic(), machine_time(), 1.0)
        return replace(piece, virtual=piece.virtual + seconds)

    def _stop_here(self) -> None:
        if self._hide is not None:
            self._hide()
            self._hide = None
