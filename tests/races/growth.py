"""How long a schedule takes, by the steps that it has."""

import time
from pathlib import Path

import modal

from modal_emulator import explore
from modal_emulator.emulator import Running

__all__ = ["growth"]

app = modal.App("growth", include_source=False)
volume = modal.Volume.from_name("growth", create_if_missing=True)
FILES = Path("/files")


@app.function(volumes={str(FILES): volume})
def write(name: str, times: int) -> None:
    for number in range(times):
        (FILES / f"{name}-{number}").write_text(name)
        volume.commit()


def growth(running: Running, schedules: int) -> list[tuple[int, int, float]]:
    """Return commits of two containers, the choices they make, and schedules a second."""
    rows = []
    for times in (1, 2, 4, 8, 16):

        def program(times: int = times) -> None:
            for call in [write.spawn("a", times), write.spawn("b", times)]:
                call.get()

        began = time.perf_counter()
        explored = explore(
            program, app=app, mode="random", schedules=schedules, seed=1, running=running
        )
        took = time.perf_counter() - began
        rows.append((2 * times, explored.steps, explored.schedules / took))
    return rows
