"""Calls that would hit the whole test process."""

import os
import signal

import pytest

from modal_emulator.inline.refusals import NotInline, refuse
from modal_emulator.runtime.inline.here import HERE, Here


@pytest.fixture
def refusing():
    allow = refuse()
    yield
    allow()


@pytest.fixture
def inside():
    token = HERE.set(Here("ta-1", {}, lambda *_: None))
    yield
    HERE.reset(token)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: os._exit(3), r"os\._exit\(\)"),
        (lambda: os.abort(), r"os\.abort\(\)"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"os\.kill\(\)"),
        (lambda: os.kill(0, signal.SIGTERM), r"os\.kill\(\)"),
        (lambda: signal.raise_signal(signal.SIGKILL), r"signal\.raise_signal\(\)"),
    ],
    ids=["exit", "abort", "kill", "group", "raise"],
)
def test_what_ends_the_process_is_refused_in_a_container(refusing, inside, call, name) -> None:
    with pytest.raises(NotInline, match=rf"{name} .*use runtime='process'"):
        call()


def test_a_look_at_the_process_is_not(refusing, inside) -> None:
    os.kill(os.getpid(), 0)


def test_a_child_process_ends_itself(refusing, inside) -> None:
    child = os.fork()
    if child == 0:
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5


def test_outside_of_containers_all_is_as_ever(refusing) -> None:
    heard = []
    before = signal.signal(signal.SIGUSR2, lambda *_: heard.append(1))
    try:
        os.kill(os.getpid(), signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert heard == [1]


def test_it_is_taken_back() -> None:
    before = (os._exit, os.abort, os.kill, signal.raise_signal)
    refuse()()
    assert (os._exit, os.abort, os.kill, signal.raise_signal) == before
