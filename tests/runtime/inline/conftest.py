"""A backend of thread containers with the kernel's mounts."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from modal_emulator.runtime.inline.mounted import MountedPlaces
from modal_emulator.runtime.job import Isolation
from threadyard import ThreadYard


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of this test's own."""
    with tempfile.TemporaryDirectory(prefix="rt-") as name:
        yield Path(name)


@pytest.fixture
def yard(place: Path) -> ThreadYard:
    """A backend whose containers see what the kernel mounts."""
    if os.geteuid() != 0:
        pytest.skip("not the superuser")
    return ThreadYard(place, MountedPlaces(place / "backend", Isolation.ROOT))
