"""An archive that comes over HTTP ends up unpacked on the volume."""

import email
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from modal_emulator.emulator import Running

SOURCES = Path(email.__file__).parent
PYTHON_FILES = sorted(SOURCES.rglob("*.py"))


def test_unpacks_and_counts(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    dataset = example("dataset_unzip")
    with dataset.app.run():
        assert dataset.download.remote() == len(PYTHON_FILES)
        assert dataset.count.remote(".py") == len(PYTHON_FILES)
        assert dataset.count.remote(".txt") == 0


def test_every_byte_arrives(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    dataset = example("dataset_unzip")
    with dataset.app.run():
        dataset.download.remote()
    for path in PYTHON_FILES:
        name = f"dataset/email/{path.relative_to(SOURCES)}"
        assert b"".join(dataset.volume.read_file(name)) == path.read_bytes()


@pytest.mark.slow
def test_modal_run(modal_run: Callable[..., str]) -> None:
    lines = modal_run("dataset_unzip").splitlines()
    assert f"unpacked {len(PYTHON_FILES)} files" in lines
    assert f"of these, {len(PYTHON_FILES)} are Python sources" in lines
