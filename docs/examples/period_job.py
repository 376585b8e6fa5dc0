"""
Look at something every six hours, counted from the last deployment.

    modal deploy period_job.py

Unlike a `Cron`, a `Period` begins anew with each `modal deploy`: whoever deploys more often than
every six hours keeps this from ever running. For work that must not slip, take a `Cron`.
"""

from datetime import datetime, timezone
from pathlib import Path

import modal

app = modal.App("period-job")
volume = modal.Volume.from_name("period-job", create_if_missing=True)

LOOKS = Path("/data/looks.txt")


@app.function(schedule=modal.Period(hours=6), volumes={"/data": volume})
def look() -> None:
    volume.reload()
    now = datetime.now(timezone.utc)
    with LOOKS.open("a") as looks:
        looks.write(f"{now:%Y-%m-%d %H:%M}\n")
    volume.commit()
