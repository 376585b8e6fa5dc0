"""
A nightly clean-up that removes what a request is in the middle of.

A report is made in two steps, which may run in two containers: `prepare` writes its work to the
volume, `finish` picks it up. `clean` runs once a day and takes all that lies in the work
directory for left over. When it comes between the two steps, the report fails, once in a while
and at night.

Remember: that something is there does not say that nobody needs it. What may be cleaned must say
until when it is in use.
"""

import shutil
from pathlib import Path

import modal

app = modal.App("reports")
volume = modal.Volume.from_name("reports", create_if_missing=True)

REPORTS = Path("/reports")
WORK = REPORTS / "work"


@app.function(volumes={str(REPORTS): volume})
def prepare(report: str, numbers: list[int]) -> None:
    (WORK / report).mkdir(parents=True)
    (WORK / report / "numbers.txt").write_text("\n".join(map(str, numbers)))
    volume.commit()


@app.function(volumes={str(REPORTS): volume})
def finish(report: str) -> int:
    volume.reload()
    return sum(map(int, (WORK / report / "numbers.txt").read_text().split()))


@app.function(volumes={str(REPORTS): volume}, schedule=modal.Cron("0 3 * * *"))
def clean() -> None:
    volume.reload()
    if WORK.exists():
        for left in WORK.iterdir():
            shutil.rmtree(left)
    volume.commit()
