"""A Period runs one interval after the last deployment, and a deployment begins it anew."""

from collections.abc import Callable
from types import ModuleType

from modal_emulator.emulator import Running


def test_a_deployment_begins_it_anew(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    period_job = example("period_job")
    clock = modal_emulator.clock
    clock.freeze("2024-03-10T00:00:00Z")
    period_job.app.deploy()
    clock.advance(hours=15)  # at 6 and 12 o'clock
    period_job.app.deploy()
    clock.advance(hours=7)  # at 21 o'clock, and not at 18
    looks = modal_emulator.volume("period-job").read_text("looks.txt")
    assert looks.splitlines() == ["2024-03-10 06:00", "2024-03-10 12:00", "2024-03-10 21:00"]
