"""A backend of thread containers with the kernel's mounts."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from modal_emulator.runtime.inline import surroundings
from modal_emulator.runtime.inline.mounted import MountedPlaces
from modal_emulator.runtime.inline.namespace import can_mount
from modal_emulator.runtime.inline.redirected import REDIRECTION
from threadyard import ThreadYard


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Python as it is, also where an emulator of the whole session has changed it already."""
    users, takers = surroundings._users, dict(REDIRECTION._takers)
    for watches, count in takers.items():
        for _ in range(count):  # it may stand around what the surroundings put there
            REDIRECTION.give_back(watches=watches)
    for _ in range(users):
        surroundings.leave_surroundings()
    yield
    for _ in range(users):
        surroundings.enter_surroundings()
    for watches, count in takers.items():
        for _ in range(count):
            REDIRECTION.take(watches=watches)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of this test's own."""
    with tempfile.TemporaryDirectory(prefix="rt-") as name:
        yield Path(name)


@pytest.fixture
def yard(place: Path) -> ThreadYard:
    """A backend whose containers see what the kernel mounts."""
    standing = can_mount(place.parent)
    if standing.isolation is None:
        pytest.skip(f"this process may not mount: {standing.why}")
    return ThreadYard(place, MountedPlaces(place / "backend", standing.isolation))
