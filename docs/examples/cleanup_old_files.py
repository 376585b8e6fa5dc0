"""
Remove from a volume what has not been written for a while.

    modal run cleanup_old_files.py
    modal run cleanup_old_files.py --days 30

To have something old to remove, the example first writes three log files and sets back the
times of two of them.
"""

import os
import time
from pathlib import Path

import modal

app = modal.App("example-cleanup-old-files")
volume = modal.Volume.from_name("example-cleanup-old-files", create_if_missing=True)

DATA = Path("/data")
DAY_S = 24 * 60 * 60


@app.function(volumes={str(DATA): volume})
def remove_older_than(days: float) -> list[str]:
    """Remove the files that were last modified more than so many days ago; return their names."""
    volume.reload()  # a warm container would judge by an old view
    horizon = time.time() - days * DAY_S
    removed = []
    for path in sorted(DATA.rglob("*")):
        if path.is_file() and path.stat().st_mtime < horizon:
            path.unlink()
            removed.append(str(path.relative_to(DATA)))
    volume.commit()
    return removed


@app.function(volumes={str(DATA): volume})
def write_logs() -> None:
    (DATA / "logs").mkdir(exist_ok=True)
    for name, age_days in (("today.log", 0), ("last-week.log", 8), ("last-year.log", 400)):
        path = DATA / "logs" / name
        path.write_text(f"written {age_days} days ago\n")
        then = time.time() - age_days * DAY_S
        os.utime(path, (then, then))
    volume.commit()


@app.local_entrypoint()
def main(days: float = 7) -> None:
    write_logs.remote()
    print("before: ", *(entry.path for entry in volume.listdir("/logs")))
    print("removed:", *remove_older_than.remote(days))
    print("after:  ", *(entry.path for entry in volume.listdir("/logs")))
