"""Docker's containers, out of a base image that is made here where it is missing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from modal_emulator.emulator import Running
from modal_emulator.pytest_plugin.session import Session, open_session
from runtime.docker import base_image
from runtime.docker.docker_yard import IMAGE, DockerYard, docker


@pytest.fixture(scope="session")
def base() -> str:
    """The tag that `debian_slim()` begins with; there is an image of that name."""
    tag = base_image.default_tag()
    if not docker("images", "-q", tag):
        base_image.make(tag)
    return tag


@pytest.fixture(scope="module")
def session(base: str) -> Iterator[Session]:
    with open_session({"runtime": "docker", "docker_network": "host"}) as session:
        yield session


@pytest.fixture
def emulator(session: Session) -> Iterator[Running]:
    with session.test() as emulator:
        yield emulator


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rt-") as name:
        yield Path(name)


@pytest.fixture
def yard(base: str, place: Path) -> DockerYard:
    docker("tag", base, f"modal-emulator:{IMAGE}")
    return DockerYard(place)
