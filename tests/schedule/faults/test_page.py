from pathlib import Path

import pytest
from modal._utils import grpc_utils

from modal_emulator.rpc.status import STATUS
from modal_emulator.schedule.faults.page import main
from modal_emulator.schedule.faults.texts import RETRIED


def test_the_page_in_the_checkout_is_not_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    assert main(["--check"]) == 0


def test_the_sdk_tries_again_what_the_page_says() -> None:
    known = getattr(grpc_utils, "RETRYABLE_GRPC_STATUS_CODES", None)
    if known is None:
        pytest.fail("the SDK's list has another name")
    assert {STATUS[code] for code in RETRIED} == set(known)
