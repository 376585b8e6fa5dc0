"""What the tests of the examples share: the examples as modules, and `modal run` on their files."""

import contextlib
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx
import pytest
from fastapi.testclient import TestClient

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BIN = Path(sys.executable).parent


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """
    Import an example by name, as a user's test imports the user's app.

    The module stays imported: later tests meet it with the handles that it made at first.
    """
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


@pytest.fixture
def modal_run(tmp_path: Path, warm: Path) -> Callable[..., str]:
    """Run an example by Modal's own command under `modal-emulator exec`; return what it printed."""

    def run(name: str, *arguments: str) -> str:
        command = [warm / "modal-emulator", "exec", "--", warm / "modal", "run"]
        done = subprocess.run(
            [*map(str, command), f"{EXAMPLES / name}.py", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[ModuleType], httpx.Client]]:
    with contextlib.ExitStack() as stack:

        def start(module: ModuleType) -> httpx.Client:
            for name, value in list(vars(module).items()):
                if isinstance(value, Path) and value.is_relative_to("/data"):
                    monkeypatch.setattr(module, name, tmp_path / value.relative_to("/"))
            nothing = SimpleNamespace(commit=lambda: None, reload=lambda: None)
            monkeypatch.setattr(module, "volume", nothing)
            (tmp_path / "data").mkdir()
            return stack.enter_context(TestClient(module.api))

        yield start
