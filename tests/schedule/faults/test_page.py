import pytest
from modal._utils import grpc_utils

from modal_emulator.rpc.status import STATUS
from modal_emulator.schedule.faults.page import PAGE, page
from modal_emulator.schedule.faults.texts import RETRIED


def test_the_page_stands_as_it_would_be_written() -> None:
    assert PAGE.read_text() == page(), "run `python -m modal_emulator.schedule.faults.page`"


def test_the_sdk_tries_again_what_the_page_says() -> None:
    known = getattr(grpc_utils, "RETRYABLE_GRPC_STATUS_CODES", None)
    if known is None:
        pytest.fail("the SDK's list has another name")
    assert {STATUS[code] for code in RETRIED} == set(known)
