"""`modal-emulator serve`: ready, used, ended, and refused where it must be."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import modal_emulator

Serve = Callable[..., Any]
Modal = Callable[..., str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow


@pytest.fixture
def modal(warm: Path) -> Modal:
    """Run Modal's own command against a server."""

    def run(server: Any, *arguments: str) -> str:
        done = subprocess.run(
            [str(warm / "modal"), *arguments],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_says_on_one_line_where_it_is(serve: Serve, tmp_path: Path) -> None:
    server = serve("--state-dir", "state")
    assert server.ready["version"] == modal_emulator.__version__
    assert server.ready["state_dir"] == str(tmp_path / "state")
    assert set(server.ready["env"]) == {"MODAL_SERVER_URL", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"}
    assert server.ready["env"]["MODAL_SERVER_URL"].startswith("http://127.0.0.1:")
    os.kill(server.ready["pid"], signal.SIGTERM)
    assert server.process.wait(120) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ends_in_order(serve: Serve, number: int, tidy: None) -> None:
    server = serve()
    code, error = server.stop(number)
    assert code == 0, error
    assert "Traceback" not in error


def test_prints_exports_for_a_shell(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "modal_emulator", "serve"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(5)]
    process.terminate()
    process.communicate()
    assert re.search(r"is ready at http://127\.0\.0\.1:\d+, state in \.modal-emulator", lines[0])
    assert [line.partition("=")[0] for line in lines[2:]] == [
        "export MODAL_SERVER_URL",
        "export MODAL_TOKEN_ID",
        "export MODAL_TOKEN_SECRET",
    ]


def test_state_outlives_the_server(serve: Serve, modal: Modal) -> None:
    first = serve()
    modal(first, "volume", "create", "shelf")
    put = "import modal; modal.Dict.from_name('d', create_if_missing=True)['key'] = 'the value'"
    subprocess.run([sys.executable, "-c", put], env=first.environment, check=True, timeout=240)
    first.stop()
    second = serve()
    assert "shelf" in modal(second, "volume", "list", "--json")
    assert modal(second, "dict", "get", "d", "key").strip() == "the value"
    assert second.ready["env"]["MODAL_TOKEN_SECRET"] == first.ready["env"]["MODAL_TOKEN_SECRET"]


def test_containers_of_a_killed_server_leave_nothing(serve: Serve, tmp_path: Path) -> None:
    server = serve("--state-dir", "state")
    server.kill()
    left = tmp_path / "state" / "containers" / "containers" / "ta-1" / "disk"
    left.mkdir(parents=True)
    (left / "file").write_text("x")
    serve("--state-dir", "state")  # no container is started here
    assert not left.parent.exists()


def test_state_is_for_its_owner_and_not_for_the_repository(serve: Serve, tmp_path: Path) -> None:
    serve()
    state = tmp_path / ".modal-emulator"
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / ".gitignore").read_text() == "*\n"


def test_second_server_on_the_same_state_is_refused(serve: Serve, run: Run, modal: Modal) -> None:
    first = serve()
    second = run("serve")
    assert second.returncode == 1
    assert "in use by another modal-emulator" in second.stderr
    assert "Traceback" not in second.stderr
    assert "[]" in modal(first, "volume", "list", "--json")


def test_taken_port_is_named(run: Run, tidy: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", port)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "example.org"])
def test_only_loopback(run: Run, host: str) -> None:
    done = run("serve", "--host", host)
    assert done.returncode == 2
    assert "not a loopback address" in done.stderr


def test_directory_with_other_things_is_left_alone(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "thesis.txt").write_text("mine")
    done = run("serve", "--state-dir", home)
    assert done.returncode == 1
    assert "holds other files" in done.stderr
    assert home.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]


def test_file_is_no_state_directory(run: Run, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    done = run("serve", "--state-dir", "state")
    assert done.returncode == 2
    assert "is a file" in done.stderr


def test_listings_can_be_limited(serve: Serve, modal: Modal) -> None:
    server = serve("--listings-per-second", "0.001")
    modal(server, "volume", "create", "v")
    modal(server, "volume", "ls", "v")
    with pytest.raises(AssertionError, match="rate limit exceeded"):
        modal(server, "volume", "ls", "v")
