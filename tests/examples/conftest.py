"""What the tests of the examples share: the examples as modules, and `modal run` on their files."""

import contextlib
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from modal_emulator.emulator import Running

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def modal_emulator_settings() -> dict[str, object]:
    """What is found wrong in an example is a failure, unless the example is there to show it."""
    return {"findings": {"default": "fail"}}


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
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def serve(modal_emulator: Running) -> Iterator[Callable[[ModuleType], httpx.Client]]:
    """Deploy an app; return a client of its web function, which is called `web` in all of them."""
    with contextlib.ExitStack() as stack:

        def start(module: ModuleType) -> httpx.Client:
            module.app.deploy()
            return stack.enter_context(httpx.Client(base_url=module.web.get_web_url(), timeout=120))

        yield start
