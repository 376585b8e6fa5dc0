"""Of several secrets the later wins, and `env=` wins over all."""

import inspect
from collections.abc import Callable
from types import ModuleType

import modal
import pytest

from modal_emulator.emulator import Running

pytestmark = pytest.mark.skipif(
    "env" not in inspect.signature(modal.App.function).parameters,
    reason="this SDK's app.function() has no env=",
)

LATER = {"REGION": "eu", "LOG_LEVEL": "info", "RETRIES": "5"}
EARLIER = {"REGION": "eu", "LOG_LEVEL": "warning", "RETRIES": "3"}


def test_order(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    several = example("several_secrets")
    with several.app.run():
        assert several.later_wins.remote() == LATER
        assert several.the_other_way_round.remote() == EARLIER
        assert several.env_wins.remote() == LATER | {"RETRIES": "0"}


@pytest.mark.slow
def test_modal_run(modal_run: Callable[..., str]) -> None:
    lines = modal_run("several_secrets").splitlines()
    assert f"[defaults, staging]:            {LATER}" in lines
    assert f"[staging, defaults]:            {EARLIER}" in lines
    assert f"[defaults, staging] and env=:   {LATER | {'RETRIES': '0'}}" in lines
