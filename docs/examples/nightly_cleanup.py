"""
Write a log every day, and remove those that are older than a week, by their modification times.

    modal deploy nightly_cleanup.py
    modal volume ls nightly-cleanup logs
"""

import time
from datetime import datetime, timezone
from pathlib import Path

import modal

app = modal.App("nightly-cleanup")
volume = modal.Volume.from_name("nightly-cleanup", create_if_missing=True)

LOGS = Path("/data/logs")
DAY_S = 24 * 60 * 60


@app.function(schedule=modal.Cron("0 18 * * *"), volumes={"/data": volume})
def write_log() -> None:
    LOGS.mkdir(exist_ok=True)
    today = datetime.now(timezone.utc).date()
    (LOGS / f"{today}.log").write_text(f"what happened on {today}\n")
    volume.commit()


@app.function(schedule=modal.Cron("30 3 * * *"), volumes={"/data": volume})
def clean_up(days: float = 7) -> list[str]:
    """Remove the logs that were last written more than so many days ago; return their names."""
    volume.reload()  # a warm container would judge by an old view
    horizon = time.time() - days * DAY_S
    removed = []
    for path in sorted(LOGS.glob("*.log")):
        if path.stat().st_mtime < horizon:
            path.unlink()
            removed.append(path.name)
    volume.commit()
    return removed
