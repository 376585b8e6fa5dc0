"""
A report and its checksum, half of them new.

Both are written in place, one after the other. A commit in the background between the two
publishes a new report with an old checksum. Right: the new pair goes into a directory of its own,
and one small file, put in place by a rename, says which directory counts.
"""

from pathlib import Path

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin, at_once

volume = modal.Volume.from_name("reports", create_if_missing=True)
REPORTS = Path("/reports")
CURRENT = REPORTS / "current"
broken = modal.App("reports-broken")
fixed = modal.App("reports-fixed")


def write_pair(where: Path, day: int) -> None:
    (where / "report.csv").write_text(f"day {day}")
    (where / "report.sum").write_text(f"sum of day {day}")


def read_pair(where: Path) -> tuple[str, str]:
    return (where / "report.csv").read_text(), (where / "report.sum").read_text()


@broken.function(volumes={str(REPORTS): volume})
def publish(day: int) -> None:
    write_pair(REPORTS, day)
    volume.commit()


@broken.function(volumes={str(REPORTS): volume})
def read() -> tuple[str, str]:
    volume.reload()
    return read_pair(REPORTS)


@fixed.function(volumes={str(REPORTS): volume})
def publish_whole(day: int) -> None:
    new = REPORTS / str(day)
    new.mkdir()
    write_pair(new, day)
    draft = REPORTS / "current.new"
    draft.write_text(new.name)
    draft.replace(CURRENT)
    volume.commit()


@fixed.function(volumes={str(REPORTS): volume})
def read_whole() -> tuple[str, str]:
    volume.reload()
    return read_pair(REPORTS / CURRENT.read_text())


def first_report(running: Running) -> None:
    pair = {"report.csv": "day 1", "report.sum": "sum of day 1"}
    whole = {f"1/{name}": text for name, text in pair.items()}
    running.volume("reports").write({**pair, **whole, "current": "1"})


def read_meanwhile(publishing: modal.Function, reading: modal.Function) -> Program:
    def program(_: Running) -> None:
        report, checksum = at_once([publishing, 2], [reading])[1]
        assert checksum == f"sum of {report}"

    return program


BUG = Bug(
    Twin(broken, read_meanwhile(publish, read)),
    Twin(fixed, read_meanwhile(publish_whole, read_whole)),
    setup=first_report,
    options={"background_commits": "drawn"},
)
