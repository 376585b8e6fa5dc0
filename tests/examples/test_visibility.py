"""The four steps: absent, committed, still absent in the warm reader, present after a reload."""

import uuid
from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running

FOUR_STEPS = [
    "1. reader, nothing written yet:   absent",
    "2. writer:                        wrote and committed",
    "3. warm reader, no reload:        absent",
    "4. reader, after volume.reload(): present: 'hello'",
]


def steps(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line[:2] in ("1.", "2.", "3.", "4.")]


@pytest.mark.modal(findings_allow="stale read: function=read")  # the third step
def test_prints_the_four_steps(
    modal_emulator: Running,
    example: Callable[[str], ModuleType],
    capsys: pytest.CaptureFixture[str],
) -> None:
    visibility = example("visibility")
    with visibility.app.run():
        visibility.main()
    assert steps(capsys.readouterr().out) == FOUR_STEPS


def test_cold_reader_needs_no_reload(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    visibility = example("visibility")
    name = uuid.uuid4().hex
    with visibility.app.run():
        visibility.write.remote(name, "hello")
        assert visibility.read.remote(name) == "hello"


@pytest.mark.slow
def test_modal_run_prints_the_four_steps(modal_run: Callable[..., str]) -> None:
    assert steps(modal_run("visibility")) == FOUR_STEPS
