"""`modal-emulator mutate` on a project whose volume is one of a few lines, so that it is quick."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import eventually

pytestmark = pytest.mark.slow

APP = """
from disk import Disk
disk = Disk()

def keep(text):
    disk.write(text)
    disk.commit()

def show():
    disk.reload()
    return disk.seen

def audit(session):
    session.commit()
"""
DISK = """
class Disk:
    pending = committed = seen = ""
    def write(self, text): self.pending = text
    def commit(self): self.committed = self.pending
    def reload(self): self.seen = self.committed
"""
TESTS = """
import app, os, time

def test_keep():
    app.keep("x")
    assert app.disk.committed == "x"
    open("app.py", "a").write("# a test writes into its tree")
"""
COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
ENDLESS = TESTS.replace("    assert", "    while not app.disk.committed: time.sleep(1)\n    assert")
SLEEPING = TESTS + "    open(os.environ['HERE'], 'w')\n    time.sleep(60)"

MEETING = """
import app, os, time
from pathlib import Path

def test_keep():
    here = Path(os.environ["HERE"])
    others = len(list(here.glob("run-*")))
    (here / f"run-{os.getpid()}").touch()
    app.keep("x")
    while others and len(list(here.glob("run-*"))) < 3: time.sleep(0.01)
    while os.environ["THEN"] == "sleep" and others: time.sleep(1)
    if app.disk.committed == "x":
        if others: (here / "second is done").touch()
        return
    while not (here / "second is done").exists(): time.sleep(0.01)
    assert False
"""
"""The two runs after the first wait for one another, and the first of them for the second's end."""

Mutate = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    for name, text in {"app.py": APP, "disk.py": DISK, "test_app.py": TESTS}.items():
        (root / name).write_text(text)
    return root


@pytest.fixture
def mutate(project: Path, tmp_path: Path) -> Mutate:
    """Return what starts the command in the project; its copies are made in `copies`."""
    (tmp_path / "copies").mkdir()

    def start(*options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "modal_emulator", "mutate", *options, "--", *COMMAND],
            cwd=project,
            # What runs in the background ignores interrupts, and so would what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={
                **os.environ,
                "TMPDIR": str(tmp_path / "copies"),
                "PYTEST_ADDOPTS": "",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def test_what_no_test_misses_survives(project: Path, mutate: Mutate, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in project.iterdir()}
    process = mutate("--volume", "disk", "--change", "removed", "--json", str(tmp_path / "out"))
    output, _ = process.communicate()

    assert process.returncode == 1, output
    assert "app.py:7  disk.commit()  removed: killed by test_app.py::test_keep" in output
    assert "app.py:10  disk.reload()  removed: SURVIVED" in output
    assert "app.py:14  session.commit()" in output.partition("Not known to be volumes")[2]
    assert output.endswith("1 of 2 sync points tested\n")
    told = json.loads((tmp_path / "out").read_text())
    assert (told["points"], told["tested"]) == (2, 1)
    assert [trial["verdict"] for trial in told["trials"]] == ["killed", "survived"]
    assert {path: path.read_bytes() for path in project.iterdir()} == before
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_run_without_an_end_is_ended_and_the_score_is_enough(
    project: Path, mutate: Mutate
) -> None:
    (project / "test_app.py").write_text(ENDLESS)
    process = mutate("--volume", "disk", "--change", "removed", "--timeout", "8", "--fail-under=50")
    output, _ = process.communicate()
    assert "disk.commit()  removed: timed out" in output
    assert process.returncode == 0, output


def test_nothing_is_left_when_it_is_broken_off(
    project: Path, mutate: Mutate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "test_app.py").write_text(SLEEPING)
    monkeypatch.setenv("HERE", str(tmp_path / "here"))
    process = mutate("--volume", "disk")
    eventually((tmp_path / "here").exists)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode != 0
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.fixture
def here(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the project's runs meet."""
    (project / "test_app.py").write_text(MEETING)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("HERE", str(here))
    monkeypatch.setenv("THEN", "end")
    return here


@pytest.mark.usefixtures("here")
def test_changes_run_at_the_same_time_and_are_told_in_order(mutate: Mutate) -> None:
    output, _ = mutate(
        "--volume", "disk", "--change", "removed", "--timeout", "300", "--jobs", "2"
    ).communicate()
    lines = [line for line in output.splitlines() if "  removed: " in line]
    assert lines == [
        "app.py:7  disk.commit()  removed: killed by test_app.py::test_keep",
        "app.py:10  disk.reload()  removed: SURVIVED",
    ]


def test_nothing_is_left_of_several_that_are_broken_off(
    here: Path, mutate: Mutate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEN", "sleep")
    process = mutate("--volume", "disk", "--change", "removed", "--timeout", "300", "--jobs", "2")
    assert eventually(lambda: len(list(here.iterdir())) == 3)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode != 0
    assert list((tmp_path / "copies").iterdir()) == []
    for run in here.glob("run-*"):
        assert not Path("/proc", run.name.removeprefix("run-")).exists()


@pytest.mark.parametrize(
    ("tests", "options", "message"),
    [
        ("def test_it(): assert 0", ["--volume", "disk"], "the tests do not pass in a copy"),
        (TESTS, [], "no commit or reload of a volume was found"),
        (
            "import os, sys\nsys.path.insert(0, os.environ['PROJECT'])\n" + TESTS,
            ["--volume", "disk"],
            "is imported from the project itself",
        ),
    ],
)
def test_what_says_nothing_of_mutants_is_told(
    project: Path,
    mutate: Mutate,
    monkeypatch: pytest.MonkeyPatch,
    tests: str,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("PROJECT", str(project))
    (project / "test_app.py").write_text(tests)
    process = mutate(*options)
    output, _ = process.communicate()
    assert process.returncode == 1
    assert message in output
