"""Two runs of a poller that overlap do the same work twice, unless they claim it first."""

from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running

NINE = 1710147600.0  # on the 11th of March 2024


# In a process, `time.sleep` sleeps by the machine.
pytestmark = pytest.mark.modal(runtime="inline")


@pytest.fixture
def polled(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> Callable[[str], list[object]]:
    """Deploy a poller with four reminders due at nine, let five minutes pass, see what was sent."""

    def poll(name: str) -> list[object]:
        scheduler = example(f"polling_scheduler.{name}")
        reminders = modal_emulator.dict("reminders")
        modal_emulator.clock.freeze("2024-03-11T08:58:30Z")
        reminders.update(dict.fromkeys(["ann", "bob", "cy", "dee"], NINE), later=NINE + 3600)
        scheduler.app.deploy()
        modal_emulator.clock.move_to("2024-03-11T09:05:00Z")
        return modal_emulator.queue("reminders-outbox").drain()

    return poll


def test_runs_that_overlap_send_twice(polled: Callable[[str], list[object]]) -> None:
    assert sorted(polled("twice")) == ["ann", "bob", "cy", "cy", "dee", "dee"]


def test_runs_that_overlap_share_the_work(polled: Callable[[str], list[object]]) -> None:
    assert sorted(polled("once")) == ["ann", "bob", "cy", "dee"]


def test_the_same_happens_each_time(
    modal_emulator: Running, polled: Callable[[str], list[object]]
) -> None:
    """Runs that overlap, their sleeps and their containers: the journal is the same to the byte."""
    journals = set()
    for _ in range(3):
        modal_emulator.reset()
        modal_emulator.sow("always the same")
        polled("twice")
        journals.add("\n".join(map(repr, modal_emulator.journal())).encode())
    (journal,) = journals
    assert journal.count(b"schedule.fired") == 7
