"""`modal-emulator exec`: another command's environment, signals and exit code."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import command_line, descendants, eventually

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
# What they say goes past `print`, which a signal's handler must not enter a second time.
COUNT = """
import os, signal, sys
seen = []
def count(number, frame):
    seen.append(number)
    os.write(1, b"got it\\n")
signal.signal(signal.SIGINT, count)
os.write(1, b"ready\\n")
sys.stdin.readline()
os.write(1, b"seen %d\\n" % len(seen))
"""
WAIT = """
import os, signal
def tell(number, frame):
    os.write(1, b"told %d\\n" % number)
    if number == {numbers}[-1]:
        os._exit(7)
for number in {numbers}:
    signal.signal(number, tell)
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


@pytest.mark.parametrize("code", [0, 3, 255])
def test_gives_the_exit_code(run: Run, code: int, tidy: None) -> None:
    assert run("exec", "--", "sh", "-c", f"exit {code}").returncode == code


def test_gives_the_signal_as_shells_do(run: Run) -> None:
    assert run("exec", "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


def test_unknown_command(run: Run, tidy: None) -> None:
    done = run("exec", "--", "no-such-command", "--really")
    assert done.returncode == 127
    assert done.stderr == "modal-emulator: no-such-command: command not found\n"


def test_file_that_is_no_program(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    done = run("exec", "--", "./notes.txt")
    assert done.returncode == 126
    assert "cannot be executed" in done.stderr


def test_program_that_the_system_refuses(run: Run, tmp_path: Path, tidy: None) -> None:
    (tmp_path / "broken").write_bytes(b"\x7fELF and no more")
    (tmp_path / "broken").chmod(0o755)
    done = run("exec", "--", "./broken")
    assert done.returncode == 126
    assert "Exec format error" in done.stderr


def test_command_needs_words(run: Run) -> None:
    done = run("exec")
    assert done.returncode == 2
    assert "COMMAND" in done.stderr


def test_options_of_the_command_are_its_own(run: Run) -> None:
    done = run("exec", sys.executable, "-c", "print('here')", "--state-dir", "x", "--help")
    assert done.stdout == "here\n", done.stderr


def test_environment_leads_to_the_server_and_nowhere_else(run: Run) -> None:
    hostile = {
        "MODAL_SERVER_URL": "https://api.modal.com",
        "MODAL_TOKEN_ID": "ak-mine",
        "MODAL_TOKEN_SECRET": "as-mine",
        "MODAL_PROFILE": "work",
        "MODAL_CONFIG_PATH": "/etc/modal.toml",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "KEPT": "yes",
    }
    seen = json.loads(run("exec", "--", sys.executable, "-c", SHOW, env=hostile).stdout)
    assert seen["MODAL_SERVER_URL"].startswith("http://127.0.0.1:")
    assert seen["MODAL_TOKEN_ID"] != "ak-mine"
    assert seen["MODAL_TOKEN_SECRET"] != "as-mine"
    assert "MODAL_PROFILE" not in seen
    assert not Path(seen["MODAL_CONFIG_PATH"]).exists()
    assert seen["MODAL_DISABLE_API_PROXY"] == "1"
    assert seen["KEPT"] == "yes"


def test_modal_command_beside_us_is_found(run: Run) -> None:
    """The README's one line starts the programs of a virtual environment that is not activated."""
    done = run("exec", "--", "modal", "volume", "list", "--json", env={"PATH": "/usr/bin:/bin"})
    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stderr


def test_proxy_and_profile_do_not_come_between(run: Run, tmp_path: Path) -> None:
    profile = '[work]\nactive = true\ntoken_id = "ak-mine"\nserver_url = "http://127.0.0.1:1"\n'
    (tmp_path / ".modal.toml").write_text(profile)
    hostile = {
        "HOME": str(tmp_path),
        "ALL_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
    }
    (tmp_path / "file.txt").write_text("through")
    script = "modal volume create v && modal volume put v file.txt && modal volume get v file.txt -"
    done = run("exec", "--", "sh", "-c", script, env=hostile)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "through" in done.stdout


def test_environment_of_modal_is_made(run: Run) -> None:
    done = run(
        "exec", "--", "modal", "environment", "list", "--json", env={"MODAL_ENVIRONMENT": "dev"}
    )
    assert "dev" in done.stdout, done.stderr


def test_bad_environment_is_named(run: Run, tidy: None) -> None:
    done = run("exec", "--", "true", env={"MODAL_ENVIRONMENT": "no/good"})
    assert done.returncode == 1
    assert "MODAL_ENVIRONMENT: Invalid Environment name: 'no/good'" in done.stderr


def test_nothing_is_kept_unless_asked(run: Run, warm: Path, tmp_path: Path) -> None:
    modal = str(warm / "modal")
    assert run("exec", "--", modal, "volume", "create", "v").returncode == 0
    assert not list(tmp_path.iterdir())
    create = ["exec", "--state-dir", "state", "--", modal, "volume", "create", "v"]
    assert run(*create).returncode == 0
    done = run("exec", "--state-dir", "state", "--", modal, "volume", "list", "--json")
    assert [next(iter(volume.values())) for volume in json.loads(done.stdout)] == ["v"]


def test_signals_reach_the_command(tidy: None) -> None:
    numbers = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1]
    script = WAIT.format(numbers=[int(number) for number in numbers])
    process = subprocess.Popen(
        [sys.executable, "-m", "modal_emulator", "exec", "--", sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # no terminal: what is sent to us was sent to us alone
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for number in numbers:
        process.send_signal(number)
        assert process.stdout.readline() == f"told {int(number)}\n"
    output, error = process.communicate(timeout=120)
    assert (process.returncode, output) == (7, ""), error


def test_command_does_not_outlive_us() -> None:
    script = WAIT.format(numbers=[int(signal.SIGTERM)])
    with tempfile.TemporaryDirectory(prefix="t") as own:
        _kill(script, own)


def _kill(script: str, own: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "modal_emulator", "exec", "--", sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": own},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    below = descendants(process.pid)
    process.kill()
    output, _ = process.communicate(timeout=120)
    assert output == "told 15\n"
    assert below
    assert eventually(lambda: not any(command_line(pid) for pid in below))
    for left in Path("/dev/shm").glob(f"modal-emulator-{process.pid}-*"):
        shutil.rmtree(left)


def test_ctrl_c_reaches_the_command_once(tidy: None) -> None:
    """The terminal sends it to the whole group; passed on, the SDK would take it for a second."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover (another process)
        arguments = ["-m", "modal_emulator", "exec", "--", sys.executable, "-c", COUNT]
        os.execv(sys.executable, [sys.executable, *arguments])
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        printed = _until(screen.fileno(), b"ready")
        screen.write(b"\x03")
        printed += _until(screen.fileno(), b"got it")
        screen.write(b"go on\n")
        printed += _until(screen.fileno(), b"seen")
        _, status = os.waitpid(pid, 0)  # before the terminal goes, which would be a signal, too
    assert b"seen 1" in printed, printed
    assert os.waitstatus_to_exitcode(status) == 0


def _until(terminal: int, text: bytes) -> bytes:
    """Read the terminal up to the end of the line with this text."""
    seen = b""
    while text not in seen or not seen.endswith(b"\n"):
        piece = os.read(terminal, 4096)
        assert piece, seen
        seen += piece
    return seen
