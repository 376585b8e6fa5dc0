"""
The clean-up with leases: what is in use says until when, and is left alone until then.

The lease is taken before there is anything to remove, and in a Dict, which all containers see as
it is: whoever sees the directory can see its lease. `clean` looks at the lease after it has seen
the directory, and removes what has none that still holds. `finish` must end before the lease
does; work that may take longer renews it.

An age limit alone would do too, if nothing ever takes that long. The times of files are a poor
clock for it: whether a volume keeps them to the second, and through a copy, is nothing to build
on.
"""

import shutil
import time
from pathlib import Path

import modal

app = modal.App("reports")
volume = modal.Volume.from_name("reports", create_if_missing=True)
leases = modal.Dict.from_name("reports-leases", create_if_missing=True)  # report -> until when

REPORTS = Path("/reports")
WORK = REPORTS / "work"
HOUR = 3600


@app.function(volumes={str(REPORTS): volume})
def prepare(report: str, numbers: list[int]) -> None:
    leases[report] = time.time() + HOUR
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
            if leases.get(left.name, 0) < time.time():
                shutil.rmtree(left)
    volume.commit()
