"""
The suite run once as it is, and once with each mutant, each time in a copy of its own.

Several mutants may run at a time, each in a thread that waits for it; what came of them is told in
their order. A run that is too long, or that the user breaks off, is ended with all that it started.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from modal_emulator.ground.clock import monotonic
from modal_emulator.mutation.mutants import Change, Mutant, mutants
from modal_emulator.mutation.probe import REPORT
from modal_emulator.mutation.project import Project
from modal_emulator.mutation.sync_points import Call, Survey

__all__ = ["Baseline", "BaselineFailed", "Result", "Suite", "Trial", "Verdict"]

_GRACE_S = 10.0
_LEAST_S = 30.0
_TIMES = 5
_SLICE_S = 0.5
"""How long a thread waits before it looks whether all is broken off."""


class Verdict(str, Enum):
    """What the suite said of a mutant; the values are what users read."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The run without any change."""

    tests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One mutant and what came of it."""

    call: Call
    change: Change
    verdict: Verdict
    by: str = ""
    """The test that failed first, or how the run ended without one."""


@dataclass(frozen=True, slots=True)
class Result:
    """All of it."""

    baseline: Baseline
    survey: Survey
    trials: tuple[Trial, ...] = field(default=())

    @property
    def points(self) -> tuple[Call, ...]:
        """The calls that were tried."""
        return tuple(dict.fromkeys(trial.call for trial in self.trials))

    @property
    def untested(self) -> tuple[Call, ...]:
        """Those of which a change was not noticed."""
        missed = {id(t.call) for t in self.trials if t.verdict is Verdict.SURVIVED}
        return tuple(call for call in self.points if id(call) in missed)

    @property
    def tested(self) -> int:
        """How many are tested."""
        return len(self.points) - len(self.untested)


class BaselineFailed(Exception):
    """The suite says nothing of mutants, because it fails or runs other files as it is."""


class Suite:
    """The user's command, run in copies of the project."""

    def __init__(
        self,
        project: Project,
        command: Sequence[str],
        timeout: float | None = None,
        jobs: int = 1,
    ) -> None:
        self._project = project
        self._command = list(command)
        self._jobs = jobs
        self._timeout = timeout
        self._over = threading.Event()

    def baseline(self) -> Baseline:
        """
        Run the suite as it is.

        Raises:
            BaselineFailed: it does not pass, has no tests, or imports the project from elsewhere.
        """
        run = self._run(None, None)
        if run.code != 0:
            raise BaselineFailed(
                f"the tests do not pass in a copy of the project (exit code {run.code}):\n"
                + run.output
            )
        if not run.tests:
            raise BaselineFailed("the command ran no tests of pytest's:\n" + run.output)
        if strays := [path for path in run.files if self._stray(path)]:
            raise BaselineFailed(
                f"{strays[0]} is imported from the project itself and not from its copy, so a "
                "change of the copy would not be seen. Run from the project's own directory, and "
                "let tests import it relative to that."
            )
        if self._timeout is None:
            # Runs that share a core take longer.
            shared = max(1.0, self._jobs / (os.cpu_count() or 1))
            self._timeout = max(_LEAST_S, _TIMES * run.seconds * shared)
        return Baseline(len(run.tests), run.seconds)

    def trials(
        self, calls: Iterable[Call], told: Callable[[Trial], None], changes: Iterable[Change]
    ) -> list[Trial]:
        """Run the suite with each change of each call; they are told and returned in order."""
        done = []
        pool = ThreadPoolExecutor(self._jobs)
        try:
            for trial in pool.map(self._trial, self._mutants(calls, set(changes))):
                done.append(trial)
                told(trial)
        finally:
            self._over.set()
            pool.shutdown(cancel_futures=True)
        return done

    def _mutants(self, calls: Iterable[Call], wanted: set[Change]) -> Iterator[Mutant]:
        for call in calls:
            text = (self._project.root / call.path).read_bytes().decode()
            yield from (each for each in mutants(text, call) if each.change in wanted)

    def _trial(self, mutant: Mutant) -> Trial:
        run = self._run(mutant, self._timeout)
        if run.code is None:
            return Trial(mutant.call, mutant.change, Verdict.TIMED_OUT)
        if run.code == 0:
            return Trial(mutant.call, mutant.change, Verdict.SURVIVED)
        failed = [name for name, passed in run.tests.items() if not passed]
        by = failed[0] if failed else f"exit code {run.code}"
        return Trial(mutant.call, mutant.change, Verdict.KILLED, by)

    def _stray(self, path: str) -> bool:
        within = Path(path).resolve()
        if not within.is_relative_to(self._project.root):
            return False
        return within.relative_to(self._project.root).as_posix() in map(str, self._project.files)

    def _run(self, mutant: Mutant | None, timeout: float | None) -> "_Run":
        with tempfile.TemporaryDirectory(prefix="modal-emulator-mutate-") as place:
            copy, report = Path(place, self._project.root.name), Path(place, "report.json")
            self._project.copy(copy)
            environment = {**os.environ, **self._project.environment(copy, sys.path)}
            options = [os.environ.get("PYTEST_ADDOPTS", ""), "-p modal_emulator.mutation.probe"]
            if mutant is not None:
                (copy / mutant.call.path).write_bytes(mutant.text.encode())
                options.append("-x")
            environment["PYTEST_ADDOPTS"] = " ".join(filter(None, options))
            environment[REPORT] = str(report)
            with Path(place, "output").open("w+b") as output:
                began = monotonic()
                code = _ended(
                    subprocess.Popen(
                        self._command,
                        cwd=copy,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    ),
                    timeout,
                    self._over,
                )
                seconds = monotonic() - began
                output.seek(0)
                text = output.read().decode(errors="replace")
            told = json.loads(report.read_text()) if report.exists() else {}
            return _Run(code, seconds, told.get("tests", {}), told.get("files", []), text)


@dataclass(frozen=True, slots=True)
class _Run:
    code: int | None
    seconds: float
    tests: dict[str, bool]
    files: list[str]
    output: str


def _ended(
    process: "subprocess.Popen[bytes]", timeout: float | None, over: threading.Event
) -> int | None:
    """Return the exit code; None when the time was over, or all is."""
    until = None if timeout is None else monotonic() + timeout
    try:
        while not over.is_set():
            left = _SLICE_S if until is None else min(_SLICE_S, until - monotonic())
            if left <= 0:
                break
            with suppress(subprocess.TimeoutExpired):
                return process.wait(left)
        return None
    finally:
        if process.poll() is None:
            # As from a terminal, so that fixtures can take away what they made.
            _signal(process, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
