"""Tokens for the router of commands."""

import base64
import json

import pytest

from modal_emulator.ground.errors import Unauthenticated
from modal_emulator.rpc import passes
from modal_emulator.rpc.passes import LIFE, Passes

MINE = Passes(b"a key")


def test_a_token_is_for_one_container() -> None:
    token = MINE.issue("ta-1")
    MINE.check(f"Bearer {token}", "ta-1")
    with pytest.raises(Unauthenticated, match="another container"):
        MINE.check(f"Bearer {token}", "ta-2")


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer a.b.c", "Basic x", "Bearer ", "Bearer é.."]
)
def test_what_is_no_token_is_refused(given: str) -> None:
    with pytest.raises(Unauthenticated, match="missing or not valid"):
        MINE.check(given, "ta-1")


def test_nobody_else_can_make_one() -> None:
    head, claims, seal = MINE.issue("ta-1").split(".")
    forged = base64.urlsafe_b64encode(b'{"exp": 9999999999, "task_id": "ta-2"}').decode()
    for token in (
        Passes(b"another key").issue("ta-1"),
        f"{head}.{forged.rstrip('=')}.{seal}",
        f"{head}.{claims}.{seal[:-1]}",
    ):
        with pytest.raises(Unauthenticated):
            MINE.check(f"Bearer {token}", "ta-1")


def test_it_ends_and_says_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "machine_time", lambda: 1000.5)
    token = MINE.issue("ta-1")
    claims = token.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"] == 1000 + LIFE
    assert not set("-_") & set(claims)  # JavaScript's clients read it as plain base64
    monkeypatch.setattr(passes, "machine_time", lambda: 1000.0 + LIFE)
    with pytest.raises(Unauthenticated, match="expired"):
        MINE.check(f"Bearer {token}", "ta-1")


def test_the_key_is_in_no_text() -> None:
    assert "a key" not in repr(MINE)
