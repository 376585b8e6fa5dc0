"""Sleeping on a clock that another process moves."""

import threading
import time
from pathlib import Path

import pytest

from modal_emulator.ground.clock import monotonic
from modal_emulator.ground.clockpage import Page, look
from modal_emulator.ground.naps import Note, sleep_by
from modal_emulator.ground.pieces import Piece

START = 1_700_000_000.0


@pytest.fixture
def page(tmp_path: Path):
    page = Page(tmp_path / "clock")
    page.write(Piece(monotonic(), START, 0.0))
    note = Note(tmp_path / "naps", make=True)
    undo = sleep_by(look(page.path), Note(tmp_path / "naps"))
    yield page, note
    undo()
    page.close()


def test_it_is_awake_until_it_sleeps(page):
    assert page[1].read() is None


def test_the_main_thread_sleeps_until_the_clock_says_so(page):
    clock, note = page
    seen: list[float | None] = []

    def move() -> None:
        while note.read() is None:
            pass
        seen.append(note.read())
        clock.write(Piece(monotonic(), START + 3600, 0.0))

    mover = threading.Thread(target=move)
    mover.start()
    time.sleep(3600)
    mover.join()
    assert seen == [START + 3600]
    assert note.read() is None


def test_a_clock_that_is_the_machines_again_wakes_it(page):
    clock, note = page

    def end() -> None:
        while note.read() is None:
            pass
        clock.write(None)

    ender = threading.Thread(target=end)
    ender.start()
    time.sleep(3600)
    ender.join()


def test_other_threads_sleep_as_ever(page):
    _, note = page
    sleeper = threading.Thread(target=time.sleep, args=(0.01,))
    sleeper.start()
    sleeper.join()
    assert note.read() is None
