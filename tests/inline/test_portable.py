"""Functions in threads with copied volumes, called as a test of a user calls them."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import modal
import pytest

from modal_emulator.emulator import Running
from modal_emulator.pytest_plugin.session import open_session

app = modal.App("portable")
volume = modal.Volume.from_name("copied", create_if_missing=True)
DATA = Path("/data")


@app.function(volumes={str(DATA): volume})
def write(name: str, text: str) -> list[str]:
    os.chdir(DATA)
    Path(name).write_text(text)
    shown = subprocess.run(["cat", DATA / name], capture_output=True, text=True, check=True).stdout
    volume.commit()
    return [shown, str(Path(name).resolve())]


@app.function(volumes={str(DATA): volume})
async def read(name: str) -> str:
    await volume.reload.aio()
    return (DATA / name).read_text()


@app.function(volumes={str(DATA): volume})
def read_while_open(name: str) -> str:
    with open(DATA / name) as file:  # noqa: PTH123
        volume.reload()
        return file.read()


@pytest.fixture
def emulator() -> Iterator[Running]:
    options = {"runtime": "inline", "isolation": "plain"}
    before = vars(os).copy()
    with open_session(options) as session, session.test() as running:
        yield running
        assert vars(os) != before
    assert vars(os) == before


def test_a_volume_is_shared_by_copies(emulator: Running) -> None:
    before = Path.cwd()
    with app.run():
        shown, path = write.remote("a.txt", "first")
        assert shown == "first"
        assert path.startswith("/__modal/volumes/vo-") and path.endswith("/a.txt")
        assert read.remote("a.txt") == "first"
        write.remote("a.txt", "second")
        assert read.remote("a.txt") == "second"
        with pytest.raises(RuntimeError, match=r"open files .*: path a\.txt is open"):
            read_while_open.remote("a.txt")
        assert b"".join(volume.read_file("a.txt")) == b"second"
        assert not DATA.exists() and Path.cwd() == before
