"""
Where a test's settings come from, and which of them counts.

From far to close: the configuration file, the command line, the fixture `modal_emulator_settings`,
the marks, a parameter of the fixture. It reads names and values; what they mean `options` knows.
Every test run loads this room, so it imports nothing of the emulator.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modal_emulator.pytest_plugin.findings import add_findings, levels_of_session
from modal_emulator.pytest_plugin.leaking import add_leaks, leaks_of_session
from modal_emulator.pytest_plugin.seeds import add_seeds, seeds_of_session

__all__ = [
    "MARKS",
    "add_options",
    "asked_runtime",
    "guards_all",
    "options_of_session",
    "options_of_test",
    "pictures_in",
    "reports_schedules",
    "starts_workers",
]

MARKS = ("modal", "modal_emulator")
CLOCK = "modal_clock"
FAULTS = "modal_faults"
COMMIT_SECONDS = "modal_background_commit_seconds"
GUARD = "modal_guard"
PICTURES = "modal_pictures"
REPORT_SCHEDULES = "modal_report_schedules"
RUNTIME = "modal_runtime"
WATCH_FILES = "modal_watch_files"
RUNTIMES = ("auto", "inline", "process", "docker")


def add_options(parser: pytest.Parser) -> None:
    """Declare what can be set for a whole session."""
    parser.addini(
        COMMIT_SECONDS,
        "seconds between two background commits of a running container; 0 means none at all",
        default=None,
    )
    parser.addini(
        WATCH_FILES,
        "whether what functions do with files in volumes is seen, step by step",
        type="bool",
        default=True,
    )
    parser.addini(RUNTIME, "where Modal functions run: auto, inline, process or docker", default="")
    parser.addini(
        GUARD, "where the way to Modal is closed: fixture (default) or strict", default=""
    )
    parser.addini(
        FAULTS,
        "what is to break in each test, a fault in each line, or files of faults (*.toml)",
        type="linelist",
        default=[],
    )
    add_seeds(parser)
    add_findings(parser)
    group = parser.getgroup("modal-emulator", "tests against modal-emulator")
    group.addoption(
        "--modal-runtime",
        choices=RUNTIMES,
        help="where Modal functions run: as threads of this process (inline), as processes, "
        "in containers of Docker's, or in the best way that works here (auto, the default)",
    )
    _add_time(parser, group)
    _add_pictures(parser, group)
    add_leaks(parser, group)
    group.addoption(
        "--modal-keep",
        nargs="?",
        const="all",
        choices=("all", "failed"),
        help="leave the volumes of each test, or of each that fails, as plain directories",
    )


def _add_pictures(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    meaning = "a directory for a picture of each failed test that used the emulator, as a web page"
    parser.addini(PICTURES, meaning, default="")
    group.addoption("--modal-pictures", metavar="DIR", help=meaning)


def _add_time(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    parser.addini(
        CLOCK,
        "how the clock of each test begins: real (default), frozen, or an instant in ISO 8601, "
        "at which it stands unless rate=N follows",
        default="",
    )
    parser.addini(
        REPORT_SCHEDULES,
        "whether the session ends with a list of the schedules that never fired in any test",
        type="bool",
        default=False,
    )
    group.addoption(
        "--modal-clock",
        metavar="INSTANT",
        help="how the clock of each test begins: real (default), frozen, or an instant in "
        "ISO 8601, at which it stands unless rate=N follows",
    )
    group.addoption(
        "--modal-report-schedules",
        action="store_true",
        help="end with a list of the schedules that were deployed and never fired in any test",
    )


def asked_runtime(config: pytest.Config) -> str:
    """Return the runtime that was asked for, or an empty string; early in a session, too."""
    known = config.known_args_namespace
    option = getattr(config.option, "modal_runtime", None) or getattr(known, "modal_runtime", None)
    return str(option or config.getini(RUNTIME))


def starts_workers(config: pytest.Config) -> bool:
    """Say, early in a session, whether other processes will run the tests, by pytest-xdist."""
    known = config.known_args_namespace
    return bool(getattr(known, "numprocesses", None) or getattr(known, "tx", None))


def guards_all(config: pytest.Config) -> bool:
    """Say whether the way to Modal is closed for all tests, also those without the fixture."""
    asked = str(config.getini(GUARD))
    if asked not in ("", "fixture", "strict"):
        raise pytest.UsageError(f"{GUARD} must be fixture or strict, not {asked!r}")
    return asked == "strict"


def pictures_in(config: pytest.Config) -> Path | None:
    """Return where pictures of failed tests go, if anywhere; from the project's directory on."""
    if option := config.getoption("--modal-pictures"):
        return config.invocation_params.dir / str(option)
    asked = str(config.getini(PICTURES))
    return config.rootpath / asked if asked else None


def reports_schedules(config: pytest.Config) -> bool:
    """Say whether the session is to end with the schedules that never fired."""
    return bool(config.getoption("--modal-report-schedules") or config.getini(REPORT_SCHEDULES))


def options_of_session(config: pytest.Config) -> dict[str, Any]:
    """Return the options of the session, saying where one stands that makes no sense."""
    options: dict[str, Any] = {"runtime": asked_runtime(config) or "auto"}
    if options["runtime"] not in RUNTIMES:
        known = ", ".join(RUNTIMES)
        raise pytest.UsageError(f"{RUNTIME} must be one of {known}, not {options['runtime']!r}")
    text = config.getini(COMMIT_SECONDS)
    if text is not None and text != "":
        options["background_commit_seconds"] = _seconds(text)
    clock = config.getoption("--modal-clock") or config.getini(CLOCK)
    if clock:
        options["clock"] = clock
    if not config.getini(WATCH_FILES):
        options["watch_files"] = False
    if faults := config.getini(FAULTS):
        options["faults"] = [_from_root(config, line) for line in faults]
    found = {**leaks_of_session(config), **levels_of_session(config)}
    return {**options, **seeds_of_session(config), **found}


def options_of_test(request: pytest.FixtureRequest, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the test itself asks for, over these settings of a fixture."""
    marks = [mark for mark in request.node.iter_markers() if mark.name in MARKS]
    if wrong := [mark.name for mark in marks if mark.args]:
        raise pytest.UsageError(f"@pytest.mark.{wrong[0]} takes options by name only")
    options = dict(settings)
    for mark in reversed(marks):  # the closest one wins
        options.update(mark.kwargs)
    options.update(getattr(request, "param", None) or {})
    return options


def _from_root(config: pytest.Config, line: str) -> str:
    """Return a line with the path of a file made whole."""
    return str(config.rootpath / line) if line.endswith(".toml") else line


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise pytest.UsageError(f"{COMMIT_SECONDS} must be a number of seconds, not {text!r}")
    return seconds
