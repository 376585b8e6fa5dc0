"""The app of the tests of schedules, as a user's module: containers import it by its name."""

import os
from pathlib import Path

import modal

app = modal.App("scheduled")
volume = modal.Volume.from_name("scheduled-runs", create_if_missing=True)
RUNS = Path("/runs/runs.txt")


def note(name: str) -> int:
    """Leave a line that says that this ran; return how many lines there are."""
    with RUNS.open("a") as file:
        file.write(f"{name} in {os.environ['MODAL_TASK_ID'][:3]}\n")
    volume.commit()
    return len(RUNS.read_text().splitlines())


def notes() -> list[str]:
    """Return the lines, seen from outside."""
    return b"".join(volume.read_file(RUNS.name)).decode().splitlines()


@app.function(schedule=modal.Cron("0 2 * * *"), volumes={"/runs": volume})
def nightly(greeting: str = "hello") -> str:
    note(f"nightly {greeting}")
    return "nobody reads this"


@app.function(schedule=modal.Period(hours=18), volumes={"/runs": volume}, retries=1)
def moody() -> None:
    if note("moody") % 2:
        raise ArithmeticError("an odd number of runs")
