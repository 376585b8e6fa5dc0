"""
The `modal` command, run for clauses.

To import the SDK takes longer than most commands, so one process imports it and makes a fork of
itself for each command. The command's output goes to files: it is no terminal, but a wide one.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Done", "Shell"]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command."""

    code: int
    printed: bytes
    error: str

    @property
    def lines(self) -> list[str]:
        """What it printed, line by line."""
        return self.printed.decode().splitlines()


class Shell:
    """Runs commands one after the other, with the environment of its first one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Shell":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.communicate()  # the end of its input is the end of it

    def run(self, arguments: tuple[str, ...], directory: Path | None) -> Done:
        """Run `modal` with these arguments in this directory."""
        with tempfile.TemporaryDirectory() as place:
            order = [list(arguments), str(directory or Path.cwd()), place]
            code = int(self._ask(json.dumps(order)))
            output, error = (Path(place, name).read_bytes() for name in ("output", "error"))
        return Done(code, output, error.decode())

    def _ask(self, order: str) -> str:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "modal_contracts.shell"],
                env={**os.environ, "COLUMNS": "500"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{order}\n")
        process.stdin.flush()
        return process.stdout.readline()


def _serve() -> None:
    main: Any = importlib.import_module("modal.__main__").main
    for line in sys.stdin:
        arguments, directory, place = json.loads(line)
        child = os.fork()
        if child == 0:
            os.chdir(directory)
            _redirect(place)
            sys.argv = ["modal", *arguments]
            try:
                main()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
            sys.exit()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _redirect(place: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.stdin = open(0)  # noqa: SIM115 - the other one has read ahead
    for number, name in ((1, "output"), (2, "error")):
        os.dup2(os.open(Path(place, name), os.O_WRONLY | os.O_CREAT, 0o600), number)


if __name__ == "__main__":
    _serve()
