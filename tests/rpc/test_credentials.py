import pytest

from modal_emulator.ground.errors import Unauthenticated
from modal_emulator.rpc.credentials import DEMO_TOKEN_ID, Credentials

RIGHT = Credentials(DEMO_TOKEN_ID, "as-right")


def headers(token_id: str = DEMO_TOKEN_ID, secret: str = "as-right") -> dict[str, str]:
    return {"x-modal-token-id": token_id, "x-modal-token-secret": secret}


def test_the_demo_token_is_accepted():
    RIGHT.check(headers())


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({}, "Token missing. Could not authenticate client."),
        (headers(secret="as-wrong"), "Token not found"),
        (headers(secret=""), "Token not found"),
        (headers(token_id="ak-other"), "Token not found"),
        (headers(token_id="as-right", secret=DEMO_TOKEN_ID), "Token ID is malformed"),
    ],
)
def test_any_other_gets_modals_own_words(metadata, text):
    with pytest.raises(Unauthenticated, match=f"^{text}$"):
        RIGHT.check(metadata)


def test_the_secret_is_not_shown():
    assert "as-right" not in repr(RIGHT)
