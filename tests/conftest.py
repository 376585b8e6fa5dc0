"""Settings and fixtures for all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from helpers import Traces

# Two shared cores make any deadline a coin toss.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture
def tidy() -> Iterator[None]:
    """Fail the test if it leaves a process, a mount or a file of the emulator behind."""
    before = Traces.now()
    yield
    left = Traces.now().since(before)
    assert not left, left
