"""A named secret, one made by the app, and one from a file end up in one environment."""

from collections.abc import Callable
from types import ModuleType

import modal
import pytest

from modal_emulator.emulator import Running


def test_all_three(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    come_from = example("where_secrets_come_from")
    modal_emulator.secret("example-mail", SMTP_PASSWORD="hunter2")
    with come_from.app.run():
        assert come_from.lengths.remote() == {
            "SMTP_PASSWORD": 7,
            "LOG_LEVEL": 4,
            "SMTP_USER": 3,
            "SIGNATURE": len("Yours,\nAnn"),
        }


def test_without_the_named_one_nothing_starts(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    come_from = example("where_secrets_come_from")
    with (
        pytest.raises(modal.exception.NotFoundError, match="Secret 'example-mail' not found"),
        come_from.app.run(),
    ):
        pass
