"""A visitor from outside sees the page that the container serves."""

import ssl
from collections.abc import Callable
from types import ModuleType

import httpx
import pytest

from modal_emulator.emulator import Running


@pytest.mark.parametrize("runtime", ["inline", "process"])
def test_one_visitor(
    request: pytest.FixtureRequest, runtime: str, example: Callable[[str], ModuleType]
) -> None:
    request.applymarker(pytest.mark.modal(runtime=runtime))
    emulator: Running = request.getfixturevalue("modal_emulator")
    trusting = ssl.create_default_context(cafile=str(emulator.ca_file))
    tunnel = example("tunnel")
    with tunnel.app.run():
        visits = tunnel.serve_once.remote_gen()
        url = next(visits)
        assert httpx.get(url, verify=trusting, timeout=60).text == "Hello from a container.\n"
        assert list(visits) == []
