"""`modal volume` as a person uses it: at a terminal, with many files."""

import os
import pty
import re
import subprocess
from pathlib import Path

import modal
import pytest

from modal_emulator.emulator import Running

pytestmark = pytest.mark.slow

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs `modal volume` at a terminal; what is typed is there from the beginning."""

    def __init__(self, emulator: Running, directory: Path, command: Path) -> None:
        self.environment = {**os.environ, **emulator.environment, "TERM": "xterm-256color"}
        self.environment["COLUMNS"] = "200"
        self.directory, self.command = directory, command

    def run(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        screen, keyboard = pty.openpty()
        os.write(screen, typed.encode())
        process = subprocess.Popen(
            [str(self.command), "volume", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=keyboard,
            stdout=keyboard,
            stderr=keyboard,
        )
        os.close(keyboard)
        shown = b""
        try:
            while data := os.read(screen, 1 << 16):
                shown += data
        except OSError:  # nobody has the other end any more
            pass
        os.close(screen)
        return process.wait(), CONTROL.sub("", shown.decode())


@pytest.fixture
def terminal(modal_emulator: Running, tmp_path: Path, warm: Path) -> Terminal:
    return Terminal(modal_emulator, tmp_path, warm / "modal")


def make_files(top: Path, count: int) -> dict[str, str]:
    files = {f"{number % 40}/{number}.txt": f"text {number}\n" * 10 for number in range(count)}
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    return files


@pytest.mark.parametrize(("version", "count"), [(1, 200), (2, 600)], ids=["v1", "v2"])
def test_many_files_go_up_and_down_with_progress(
    terminal: Terminal, tmp_path: Path, version: int, count: int
) -> None:
    files = make_files(tmp_path / "in", count)
    modal.Volume.from_name("many", create_if_missing=True, version=version).hydrate()
    code, shown = terminal.run("put", "many", "in", "/tree")
    assert code == 0, shown
    assert "Uploaded directory 'in' to '/tree'" in shown
    # How many of them, and each by name, is drawn four times a second: perhaps not once.
    assert "Uploading file(s) to volume... 0:00:0" in shown
    (tmp_path / "out").mkdir()
    code, shown = terminal.run("get", "many", "/tree", "out")
    assert code == 0, shown
    assert "Finished downloading files to local!" in shown
    top = tmp_path / "out" / "tree"
    found = {str(path.relative_to(top)): path.read_text() for path in top.rglob("*.txt")}
    assert found == files


def test_a_listing_is_a_table(terminal: Terminal) -> None:
    volume = modal.Volume.from_name("listed", create_if_missing=True)
    with volume.batch_upload() as batch:
        batch.put_file(__file__, "deep/a.txt")
        batch.put_file(__file__, "b.txt")
    code, shown = terminal.run("ls", "listed")
    assert code == 0, shown
    assert "Directory listing of '/' in 'listed'" in shown
    for word in ("Filename", "Type", "Created/Modified", "Size"):
        assert word in shown
    assert re.search(r"deep\W+dir\W", shown), shown
    assert re.search(r"b\.txt\W+file\W.*KiB", shown), shown


@pytest.mark.parametrize(("typed", "is_gone"), [("y\n", True), ("n\n", False)])
def test_it_asks_before_it_deletes(terminal: Terminal, typed: str, is_gone: bool) -> None:
    modal.Volume.from_name("asked", create_if_missing=True).hydrate()
    code, shown = terminal.run("delete", "asked", typed=typed)
    assert "Are you sure you want to irrevocably delete the modal.Volume 'asked'? [y/N]: " in shown
    assert (code == 0) is is_gone
    assert (terminal.run("ls", "asked")[0] != 0) is is_gone
