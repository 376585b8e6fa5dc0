"""`modal-emulator clock` and `cron` against a server whose time is its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from helpers import eventually
from modal_emulator.cli import serve as serving
from modal_emulator.cli import time_text
from modal_emulator.cli.main import main
from modal_emulator.ground.instants import parse_instant
from modal_emulator.ground.virtual import VirtualClock

pytestmark = pytest.mark.slow

APP = """
import threading
import modal

app = modal.App("shop")

@app.function(schedule=modal.Cron("0 2 * * *"))
def nightly():
    print("nightly")

@app.function(schedule=modal.Cron("30 3 * * *"))
def broken():
    raise ValueError("there is nothing left")

@app.function(schedule=modal.Cron("0 5 1 6 *"))
def stuck():
    threading.Event().wait(300)
"""
Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, warm: Path) -> Iterator[Path]:
    """The state directory of a server that has begun on an evening in January."""
    directory = tmp_path_factory.mktemp("served")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    serve = [str(warm / "modal-emulator"), "serve", "--json", "--state-dir", "st"]
    command = [*serve, "--clock", "2024-01-31T20:00Z"]
    process = subprocess.Popen(
        command, env=plain, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        (directory / "shop.py").write_text(APP)
        environment = {**plain, **ready["env"], "MODAL_CONFIG_PATH": os.devnull}
        deploy = [str(warm / "modal"), "deploy", "shop.py"]
        subprocess.run(deploy, env=environment, cwd=directory, check=True, capture_output=True)
        yield directory / "st"
    finally:
        process.terminate()
        process.communicate(timeout=240)


@pytest.fixture
def ask(state: Path) -> Ask:
    """Run a command against the server, in this process."""

    def ask(*arguments: object, fails: int = 0) -> Result:
        options = [] if "preview" in arguments else ["--state-dir", str(state)]
        result = CliRunner().invoke(main, [*map(str, arguments), *options])
        assert result.exit_code == fails, result.output
        return result

    ask("clock", "freeze", "2024-01-31T20:00Z")
    return ask


def told(ask: Ask, *arguments: object) -> Any:
    return json.loads(ask(*arguments, "--json").stdout)


def test_the_clock_is_shown_and_set(ask: Ask) -> None:
    assert ask("clock", "show").stdout == "2024-01-31 20:00:00 UTC  standing\n"
    ask("clock", "freeze", "2024-02-29T12:00:00+01:00")
    assert told(ask, "clock", "show") == {
        "now": "2024-02-29T11:00:00Z",
        "timestamp": 1709204400,
        "mode": "frozen",
        "rate": 0,
    }
    assert ask("clock", "freeze").stdout == "2024-02-29 11:00:00 UTC  standing\n"
    shown = ask("clock", "run", "--at", "2024-03-01", "--rate", 2).stdout
    assert shown.startswith("2024-03-01 00:00:0") and shown.endswith("running 2 times as fast\n")
    assert ask("clock", "run").stdout.endswith("UTC  running\n")
    assert ask("clock", "resume").stdout.endswith("UTC  the machine's time\n")


def test_time_passes_and_what_fired_is_listed(ask: Ask) -> None:
    lines = ask("clock", "advance", "8h30m").stdout.splitlines()
    assert lines[0].split() == "Due Function Started Result Container".split()
    assert lines[1].split()[:-1] == "2024-02-01 02:00:00 shop/nightly 02:00:00 success".split()
    assert lines[2].split()[:-1] == "2024-02-01 03:30:00 shop/broken 03:30:00 failure".split()
    assert lines[3] == "shop/broken: ValueError('there is nothing left')"
    assert lines[4] == "2024-02-01 04:30:00 UTC  standing"
    nothing = ask("clock", "move-to", "2024-02-02T00:00").stdout
    assert nothing == "Nothing fired.\n2024-02-02 00:00:00 UTC  standing\n"
    found = told(ask, "clock", "next")
    assert found["now"] == found["fired"][0]["due"] == "2024-02-02T02:00:00Z"
    assert (found["fired"][0]["status"], found["fired"][0]["error"]) == ("success", "")


def test_what_makes_no_sense_is_told(ask: Ask) -> None:
    for arguments, why in (
        (("advance", "1x"), "'1x' is no span: write one like 90s"),
        (("freeze", "2024-02-30"), "day is out of range for month"),
        (("run", "--rate", "0"), "--rate"),
    ):
        assert why in ask("clock", *arguments, fails=2).output
    refused = ask("clock", "move-to", "2024-01-31T19:00", fails=1)
    assert refused.output == (
        "Error: time goes forward: it is 2024-01-31T20:00:00Z, "
        "and 2024-01-31T19:00:00Z is before that\n"
    )


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["clock", "show", "--state-dir", str(tmp_path)])
    assert result.output == f"Error: No server is running with the state directory {tmp_path}.\n"
    for name in ("address", "token"):
        (tmp_path / name).write_text("http://127.0.0.1:9")
    result = CliRunner().invoke(main, ["clock", "show", "--state-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.startswith("Error: No emulator answers at http://127.0.0.1:9: ")


def test_schedules_are_listed(ask: Ask) -> None:
    rows = [line.split() for line in ask("cron", "list").stdout.splitlines()]
    assert rows[0] == "Function Schedule Next Runs Last".split()
    assert [row[0] for row in rows[1:]] == ["shop/broken", "shop/nightly", "shop/stuck"]
    assert rows[1][1:8] == "30 3 * * * 2024-02-01 03:30:00".split()
    lines = ask("cron", "next", 3).stdout.splitlines()
    assert lines[0].split() == "Due Function Schedule".split()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["2024-02-01", "02:00:00", "shop/nightly"],
        ["2024-02-01", "03:30:00", "shop/broken"],
        ["2024-02-02", "02:00:00", "shop/nightly"],
    ]
    assert len(told(ask, "cron", "next")["schedules"]) == 10


def test_schedules_are_paused_and_run_by_hand(ask: Ask) -> None:
    assert "paused" in ask("cron", "pause", "shop/nightly").stdout
    assert told(ask, "clock", "advance", "7h")["fired"] == []
    assert "success" in ask("cron", "run-now", "nightly").stdout
    (run,) = told(ask, "cron", "history", "nightly", "-n", 1)["runs"]
    assert (run["cause"], run["due"]) == ("by hand", "2024-02-01T03:00:00Z")
    assert "2024-02-02 02:00:00" in ask("cron", "resume").stdout
    assert ask("cron", "run-now", "x", fails=1).output == "Error: No schedule of 'x' found\n"
    assert ask("cron", "history", "other").stdout == "Nothing ran.\n"


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        (0, "It is 2024-01-31T02:00:00Z there, and the clock stands."),
        (1, "Z there, and time runs."),
        (60, "Z there, and time runs 60 times as fast."),
    ],
)
def test_a_server_says_what_time_it_is_there(rate: float, told: str) -> None:
    clock = VirtualClock()
    world = SimpleNamespace(clock=clock, web=SimpleNamespace(port_by_name=0))
    emulator = SimpleNamespace(server_url="http://127.0.0.1:5", environment={}, world=world)
    assert "there" not in serving._as_text(emulator, Path("st"))  # type: ignore[arg-type]
    clock.set(parse_instant("2024-01-31T02:00Z"), rate)
    assert told in serving._as_text(emulator, Path("st"))  # type: ignore[arg-type]


def test_a_server_does_not_begin_at_no_time() -> None:
    result = CliRunner().invoke(main, ["serve", "--clock", "soon"])
    assert result.exit_code == 2
    assert "Invalid value for --clock: 'soon' is no instant" in result.output


def test_schedules_are_shown_as_short_as_they_can_be(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(schedule: str, **changes: Any) -> str:
        row = {"app": "a", "function": "f", "schedule": schedule, "paused": False, "fires": True}
        time_text.schedules([{**row, "next": None, "runs": 0, "last": None, **changes}])
        return " ".join(capsys.readouterr().out.splitlines()[1].split())

    assert shown("Cron('0 2 * * *', timezone='UTC')") == "a/f 0 2 * * * never 0 -"
    assert shown("Cron('0 2 * * *', timezone='Asia/Tokyo')").startswith("a/f 0 2 * * * Asia/Tokyo")
    assert shown("Period(days=1)", fires=False) == "a/f Period(days=1) not deployed 0 -"
    assert shown("Period(days=1)", paused=True) == "a/f Period(days=1) paused 0 -"


def run(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "app": "shop",
        "function": "has_a_long_name",
        "due": f"2024-01-31T02:{number % 60:02}:00Z",
        "started_at": "2024-02-01T02:00:00Z",
        "container_id": f"ta-{number:026}",
        "status": "success",
        "error": "",
        **changes,
    }


def test_a_terminal_of_80_columns_is_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert Console().width == 80
    found = [run(number) for number in range(150)]
    found += [run(0, status="failure", error="no\x1b[31m", container_id="", started_at=None)] * 2
    time_text.runs(found, none="")
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == 1 + time_text.MOST + 2
    assert "ta-" not in "".join(lines)
    assert lines[1].split()[2:] == "shop/has_a_long_name 2024-02-01 02:00:00 success".split()
    assert lines[-2] == "The newest 100 of 152 runs; 2 did not succeed."
    assert lines[-1] == r"shop/has_a_long_name: no\x1b[31m (2 times)"


# The last one, because its container works on until the server ends.
def test_an_interrupt_ends_the_journey_and_nothing_else(ask: Ask, state: Path, warm: Path) -> None:
    ask("clock", "freeze", "2024-06-01T04:00Z")
    moving = subprocess.Popen(
        [str(warm / "modal-emulator"), "clock", "advance", "2h", "--state-dir", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # In the background of a script it would be deaf to it, and all it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )

    def runs() -> bool:  # so others are answered meanwhile
        stuck = told(ask, "cron", "history", "stuck")["runs"]
        return bool(stuck) and stuck[-1]["status"] == "running"

    # What is at work before the clock moves is the container that is made for `stuck`.
    assert eventually(runs)
    moving.send_signal(signal.SIGINT)
    assert moving.wait(240) != 0
    assert "Traceback" not in moving.communicate()[1].decode()
    assert ask("clock", "show").stdout == "2024-06-01 05:00:00 UTC  standing\n"

    # While somebody still moved it, it could not be set.
    def is_free() -> bool:
        options = ["clock", "freeze", "2024-07-01", "--state-dir", str(state)]
        return CliRunner().invoke(main, options).exit_code == 0

    assert eventually(is_free)
