"""The token of a secret opens the server; without it, or with another, the answer is 401."""

import hashlib
import http.server
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from modal_emulator.emulator import Running


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def test_token_opens(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    authenticated = example("authenticated_download")
    with authenticated.app.run():
        size = authenticated.download.remote(digest(authenticated.token))
    source = Path(http.server.__file__).read_bytes()
    assert size == len(source)
    assert b"".join(authenticated.volume.read_file("server.py")) == source


def test_without_token_is_refused(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    authenticated = example("authenticated_download")
    with authenticated.app.run():
        status = authenticated.download_without_token.remote(digest(authenticated.token))
    assert status == 401


def test_another_token_is_refused_and_nothing_is_kept(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    authenticated = example("authenticated_download")
    with authenticated.app.run(), pytest.raises(Exception, match="401"):
        authenticated.download.remote(digest("another token"))
    assert authenticated.volume.listdir("/") == []


@pytest.mark.slow
def test_modal_run_never_prints_the_token(modal_run: Callable[..., str]) -> None:
    printed = modal_run("authenticated_download")
    assert "without the token: HTTP 401" in printed
    assert "on the volume:     server.py" in printed
