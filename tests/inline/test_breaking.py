"""Breaking into code on another thread."""

import threading
import time

import pytest

from modal_emulator.inline.breaking import sleep_in_pieces
from modal_emulator.runtime.inline.here import HERE, Here
from modal_emulator.runtime.inline.killing import Abandoned, break_in


def test_a_sleeping_container_is_woken() -> None:
    take_back = sleep_in_pieces()
    begun, met = threading.Event(), []

    def doze() -> None:
        HERE.set(Here("ta-1", {}, lambda *_: None))
        try:
            begun.set()
            time.sleep(600)
        except Abandoned as error:
            met.append(error)

    thread = threading.Thread(target=doze)
    thread.start()
    begun.wait()
    assert thread.ident is not None
    break_in(thread.ident, Abandoned)
    thread.join(60)
    take_back()
    assert len(met) == 1


def test_sleeping_is_as_ever_outside_and_afterwards() -> None:
    original = time.sleep
    take_back = sleep_in_pieces()
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)
    assert time.sleep is not original
    take_back()
    assert time.sleep is original
