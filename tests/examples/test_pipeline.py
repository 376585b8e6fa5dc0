"""Two releases from dev to prod: one arrives, the other goes back."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import modal
import pytest

from commands import modal_command
from modal_emulator.emulator import Running

PIPELINE = Path(__file__).parents[2] / "docs" / "examples" / "pipeline"


def run_modal(*arguments: str) -> None:
    done = modal_command(*arguments)
    assert done.code == 0, done.text


def test_a_version_that_prod_cannot_run_is_rolled_back(
    modal_emulator: Running,
    example: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(PIPELINE)
    release = example("release")
    monkeypatch.setattr(release, "command", run_modal)
    for environment, margin in (("dev", "1.0"), ("prod", "1.5")):
        run_modal("environment", "create", environment)
        modal_emulator.secret("pipeline-config", environment=environment, MARGIN=margin)
    prices = modal_emulator.volume("pipeline-catalogue", environment="dev", create=True)
    prices.write("prices.json", json.dumps({"tea": 2}))

    assert release.release(PIPELINE / "shop.py") == "released"
    quote = modal.Function.from_name("pipeline-shop", "quote", environment_name="prod")
    assert quote.remote("tea") == "3.00"

    # The new setting is made in dev, and forgotten in prod.
    modal_emulator.secret("pipeline-config", environment="dev", MARGIN="1.0", CURRENCY="EUR")
    prices.write("prices.json", json.dumps({"tea": 4}))
    assert release.release(PIPELINE / "shop_next.py") == "rolled back"
    assert quote.remote("tea") == "6.00"
    tried = modal.Function.from_name("pipeline-shop", "quote", environment_name="dev")
    assert tried.remote("tea") == "4.00 EUR"
