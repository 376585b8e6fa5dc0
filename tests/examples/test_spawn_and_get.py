"""A result is asked for by the id of its call: too early, later, again, and too late."""

from collections.abc import Callable
from types import ModuleType

import modal
import pytest

from modal_emulator.emulator import Running


@pytest.mark.modal(runtime="inline")
def test_too_early_and_later(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    spawning = example("spawn_and_get")
    modal_emulator.clock.freeze("2024-03-11T09:00:00Z")
    with spawning.app.run():
        call_id = spawning.count_words.spawn("one little word", seconds=60).object_id
        modal_emulator.clock.advance(seconds=59)
        assert spawning.look(call_id) == "not ready"
        modal_emulator.clock.advance(seconds=1)
        assert [spawning.look(call_id) for _ in range(2)] == ["3 words"] * 2
        modal_emulator.clock.advance(days=6)
        assert spawning.look(call_id) == "3 words"
        modal_emulator.clock.advance(days=2)
        with pytest.raises(modal.exception.OutputExpiredError):
            spawning.look(call_id)


def test_a_failure_comes_with_the_result(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    spawning = example("spawn_and_get")
    with spawning.app.run():
        call = spawning.count_words.spawn("")
        with pytest.raises(ValueError, match="there is no text"):
            call.get(timeout=120)
        assert spawning.look(call.object_id) == "failed: there is no text"


@pytest.mark.slow
def test_modal_run(modal_run: Callable[..., str]) -> None:
    lines = modal_run("spawn_and_get").splitlines()
    for line in ("at once:   not ready", "and again: 7 words", "three:     [1, 2, 3]"):
        assert line in lines
