"""A backend for each isolation."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from modal_emulator.runtime.job import Isolation
from yard import Yard, require


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short name, for unix sockets have little room."""
    with tempfile.TemporaryDirectory(prefix="rt-") as name:
        yield Path(name)


@pytest.fixture(params=list(Isolation), ids=lambda each: each.value)
def yard(request: pytest.FixtureRequest, place: Path) -> Yard:
    """A backend of each isolation in turn."""
    require(request.param, place)
    return Yard(place, request.param)


@pytest.fixture(params=[Isolation.ROOT, Isolation.USER], ids=lambda each: each.value)
def mounting(request: pytest.FixtureRequest, place: Path) -> Yard:
    """A backend of each isolation whose mounts are the kernel's."""
    require(request.param, place)
    return Yard(place, request.param)


@pytest.fixture
def plain(place: Path) -> Yard:
    """A backend with copied volumes."""
    return Yard(place, Isolation.PLAIN)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A container takes a moment, and so does each backend's zygote."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and {"yard", "mounting", "plain"} & set(
            getattr(item, "fixturenames", ())
        ):
            item.add_marker(pytest.mark.slow)
