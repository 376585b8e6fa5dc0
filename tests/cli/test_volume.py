"""`modal-emulator volume`: old versions, and whole ones in and out, by command."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modal_emulator.cli import volume_text

pytestmark = pytest.mark.slow


def archive(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in files.items():
            header = tarfile.TarInfo(name.replace("__", "/"))
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return made.getvalue()


SECOND = gzip.compress(archive(a=b"333"))


@pytest.fixture(scope="session")
def command(warm: Path) -> list[str]:
    return [str(warm / "modal-emulator"), "volume"]


@pytest.fixture(scope="module")
def shelf(served: dict[str, str], command: list[str]) -> dict[str, str]:
    """Give the server a volume of two versions, which all tests only look at."""
    for data, options in ((archive(a=b"1", d__b=b"22"), ["--create"]), (SECOND, [])):
        done = subprocess.run(
            [*command, "import", "shelf", *options], env=served, input=data, capture_output=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == b"version 2 of Volume 'shelf'\n"
    return served


@pytest.fixture
def volume(shelf: dict[str, str], command: list[str], tmp_path: Path) -> Callable[..., Any]:
    """Run the command in a directory that has the second version as a file."""

    def volume(*arguments: object, fails: int = 0, **options: Any) -> Any:
        text = "input" not in options
        done = subprocess.run(
            [*command, *map(str, arguments)],
            env=shelf,
            cwd=tmp_path,
            capture_output=True,
            text=text,
            timeout=240,
            check=False,
            **options,
        )
        assert done.returncode == fails, done.stderr
        assert "Traceback" not in str(done.stderr)
        return done

    (tmp_path / "second.tar.gz").write_bytes(SECOND)
    return volume


def test_versions_are_listed_and_shown(volume: Callable[..., Any]) -> None:
    lines = volume("log", "shelf").stdout.splitlines()
    assert lines[0].split() == volume_text.COLUMNS
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert len(volume("log", "shelf", "-n", 1).stdout.splitlines()) == 2
    (newest, _) = json.loads(volume("log", "shelf", "--json").stdout)
    assert (newest["version"], newest["base"], newest["via"]) == (2, 1, "api")
    text = volume("show", "shelf", 1).stdout
    assert re.search(r"^version +1$", text, re.MULTILINE)
    assert text.splitlines()[-2:] == ["* a  1 bytes", "* d/b  2 bytes"]
    assert json.loads(volume("show", "shelf", "--json").stdout)["changes"] == [
        {"path": "a", "type": "f", "size": 3}
    ]


def test_versions_are_compared(volume: Callable[..., Any]) -> None:
    assert volume("diff", "shelf", 1).stdout == "~ a  1 -> 3 bytes\n"
    assert volume("diff", "shelf", 1, 0).stdout == "- a\n- d/\n- d/b\n"
    assert volume("diff", "shelf", 2).stdout == ""
    assert json.loads(volume("diff", "shelf", 1, "--json").stdout)["b"] == 2


def test_a_version_is_written_to_a_directory(volume: Callable[..., Any], tmp_path: Path) -> None:
    done = volume("checkout", "shelf", 1, "out")
    assert "version 1 of Volume 'shelf' is in out" in done.stderr
    assert (tmp_path / "out" / "a").read_bytes() == b"1"
    assert (tmp_path / "out" / "d" / "b").read_bytes() == b"22"
    done = volume("checkout", "shelf", 2, "out", fails=1)
    assert done.stderr == "Error: out is there already and is not an empty directory\n"
    done = volume("checkout", "shelf", 9, "other", fails=1)
    assert done.stderr == "Error: Volume 'shelf' has no version 9; the newest is 2\n"
    assert not (tmp_path / "other").exists()
    (tmp_path / "file").touch()
    assert "file/x cannot be written" in volume("checkout", "shelf", 1, "file/x", fails=1).stderr


def test_a_version_is_written_as_an_archive(volume: Callable[..., Any], tmp_path: Path) -> None:
    volume("export", "shelf", "v.tar", "--version", 1)
    with tarfile.open(tmp_path / "v.tar") as tar:
        assert tar.extractfile("a").read() == b"1"  # type: ignore[union-attr]
    data = volume("export", "shelf", input=b"").stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.extractfile("a").read() == b"333"  # type: ignore[union-attr]
    assert "cannot be written: No such file" in volume("export", "shelf", "x/y", fails=1).stderr
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", "pipe"], cwd=tmp_path, stdout=subprocess.PIPE) as reader:
        volume("export", "shelf", "pipe")
        assert reader.communicate()[0] == data
    assert not list(tmp_path.glob("*.part"))


def test_what_cannot_be_is_said(volume: Callable[..., Any], tmp_path: Path) -> None:
    missing = "Error: Volume 'x' not found in environment 'main'\n"
    for arguments in (("log", "x"), ("show", "x"), ("diff", "x", 1), ("export", "x", "v.tar")):
        assert volume(*arguments, fails=1).stderr == missing
    (tmp_path / "bad.tar").write_bytes(b"no archive")
    assert volume("import", "x", "second.tar.gz", fails=1).stderr == missing
    assert "damaged or cut short" in volume("import", "shelf", "bad.tar", fails=1).stderr
    assert "does not exist" in volume("import", "shelf", "nothing.tar", fails=2).stderr
    assert "'nowhere'" in volume("log", "shelf", "-e", "nowhere", fails=1).stderr
    assert "Invalid value" in volume("show", "shelf", "first", fails=2).stderr
    assert len(json.loads(volume("log", "shelf", "--json").stdout)) == 2
    assert not (tmp_path / "v.tar").exists()


@pytest.mark.parametrize("action", ["log", "export"])
def test_a_closed_pipe_is_no_disaster(
    served: dict[str, str], command: list[str], action: str
) -> None:
    subprocess.run(
        [*command, "import", "wide", "--create"],
        env=served,
        input=archive(big=bytes(1 << 20)),
        check=True,
        capture_output=True,
    )
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*command, action, "wide"],
            env=served,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_terminal_gets_no_archive(command: list[str]) -> None:
    environment = {**os.environ, "MODAL_SERVER_URL": "http://127.0.0.1:1"}  # it is not reached
    primary, terminal = os.openpty()
    with open(terminal, "r+b", buffering=0) as tty, open(primary, "rb", buffering=0):  # noqa: PTH123
        for word, options in (("export", {"stdout": tty}), ("import", {"stdin": tty})):
            done = subprocess.run(
                [*command, word, "shelf"],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                **options,
            )
            assert done.returncode == 2
            assert "it is a terminal" in done.stderr


def test_a_state_directory_is_opened_without_a_server(
    serve: Callable[..., Any], run: Callable[..., Any], tmp_path: Path
) -> None:
    server = serve("--state-dir", "state")
    (tmp_path / "one.tar").write_bytes(archive(a=b"1"))
    busy = run("volume", "log", "shelf", "--state-dir", "state")
    assert busy.returncode == 1
    assert "is in use by another modal-emulator" in busy.stderr
    assert server.stop()[0] == 0
    done = run("volume", "import", "shelf", "one.tar", "--create", "--state", "state")
    assert done.stdout == "version 1 of Volume 'shelf'\n", done.stderr
    assert len(run("volume", "log", "shelf", "--state", "state").stdout.splitlines()) == 2
    other = run("volume", "log", "shelf", "--state-dir", ".")
    assert (other.returncode, other.stderr) == (1, "Error: . holds no state of modal-emulator.\n")
    assert run("volume", "log", "shelf", "--state-dir", "nothing").returncode == 2


def test_modal_itself_is_never_asked(run: Callable[..., Any]) -> None:
    done = run("volume", "log", "shelf")
    assert done.returncode == 1
    assert "MODAL_SERVER_URL is not set" in done.stderr
    done = run("volume", "log", "shelf", env={"MODAL_SERVER_URL": "https://api.modal.com"})
    assert done.returncode == 1
    assert "which is no emulator on this machine" in done.stderr


@pytest.mark.parametrize(("kept", "which"), [("2", ["3", "4"]), ("all", ["1", "2", "3", "4"])])
def test_a_server_keeps_as_many_versions_as_it_is_told(
    serve: Callable[..., Any],
    run: Callable[..., Any],
    command: list[str],
    kept: str,
    which: list[str],
) -> None:
    server = serve("--keep-versions", kept)
    for number in range(4):
        data = archive(a=str(number).encode())
        subprocess.run(
            [*command, "import", "shelf", "--create"],
            env=server.environment,
            input=data,
            check=True,
            capture_output=True,
        )
    lines = run("volume", "log", "shelf", env=server.environment).stdout.splitlines()[1:]
    assert sorted(line.split()[0] for line in lines if line.split()[-1] == "yes") == which
    done = run("volume", "diff", "shelf", "1", env=server.environment)
    if kept == "all":
        assert done.stdout == ""  # each of them is one byte long: only their times differ
    else:
        text = "Error: version 1 of Volume 'shelf' is not kept any more; kept are 3 to 4\n"
        assert (done.returncode, done.stderr) == (1, text)


@pytest.mark.parametrize("number", ["0", "-1", "some", ""])
def test_what_is_no_number_of_versions_is_refused(run: Callable[..., Any], number: str) -> None:
    done = run("serve", "--keep-versions", number)
    assert done.returncode == 2
    assert "is not a number from 1, nor 'all'" in done.stderr


def test_odd_names_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    entry = {"type": "f", "size": 1, "mode": 0o644, "mtime_ns": 0, "target": ""}
    link = {**entry, "type": "l", "target": "a"}
    rows = [
        ("added", "\x1b[31mred\n", None, entry),
        ("changed", "mode", entry, {**entry, "mode": 0o755}),
        ("changed", "kind", entry, link),
        ("changed", "link", link, {**link, "target": "\x07b"}),
        ("changed", "same", entry, {**entry, "mtime_ns": 1}),
    ]
    found = [dict(zip(("kind", "path", "before", "after"), row, strict=True)) for row in rows]
    volume_text.diff({"differences": found})
    assert capsys.readouterr().out.splitlines() == [
        r"+ \x1b[31mred\n",
        "~ mode  mode 644 -> 755",
        "~ kind@  another kind of file",
        r"~ link@  a -> \x07b",
        "~ same  written again",
    ]


def test_a_command_imports_no_server() -> None:
    """Half of its time would go into that."""
    seen = "import modal_emulator.cli.main, modal_emulator.rpc.remote, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert not {"modal", "modal_emulator.world", "modal_emulator.rpc.front"} & {
        *done.stdout.split()
    }
