"""
A backend for Hypothesis that draws what it was told to, so that its shrinker can go on from there.

Imported when a failing order is to be made simple. It knows numbers only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

__all__ = ["BACKEND", "Given", "given_first"]

BACKEND = "modal-emulator-choices"
_NUMBERS: ContextVar[Sequence[int]] = ContextVar("numbers", default=())


class Given(HypothesisProvider):
    """Draws these numbers, and zeros after that."""

    def __init__(self, *data: Any) -> None:
        super().__init__(*data)
        self._left = iter(_NUMBERS.get())

    def draw_integer(self, *bounds: Any, **more: Any) -> int:
        """Return the next of them."""
        return next(self._left, 0)


@contextmanager
def given_first(numbers: Sequence[int]) -> Iterator[None]:
    """Let the backend draw these."""
    token = _NUMBERS.set(numbers)
    # By name, as older versions of Hypothesis take nothing else.
    AVAILABLE_PROVIDERS[BACKEND] = f"{__name__}.{Given.__name__}"
    try:
        yield
    finally:
        _NUMBERS.reset(token)
        del AVAILABLE_PROVIDERS[BACKEND]
