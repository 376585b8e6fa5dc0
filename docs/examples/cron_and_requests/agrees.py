"""
A schedule writes a price list that requests read, and every request sees a whole, new list.

    modal deploy agrees.py

1. The writer makes a new directory, and names it in `current` when it is whole. A commit in the
   background may come at any moment and takes nothing that a reader would look at.
2. The reader reloads, reads `current`, and closes what it opened before the next reload.
3. Lists that are no longer read are removed one run later, not at once: a reader that has not
   reloaded since still sees them, but one that reloads between two of its reads would not.
"""

import json
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

import modal

app = modal.App("prices-agree")
volume = modal.Volume.from_name("prices-agree", create_if_missing=True)

LIST = Path("/list")
CURRENT = LIST / "current"


@app.function(schedule=modal.Cron("0 * * * *"), volumes={str(LIST): volume}, max_containers=1)
def rebuild() -> None:
    """Write the prices of this hour and their date; what is between takes two minutes."""
    volume.reload()
    last = CURRENT.read_text() if CURRENT.exists() else None
    now = datetime.now(timezone.utc)
    new = LIST / f"{now:%Y-%m-%dT%H%M}"
    new.mkdir(exist_ok=True)  # a run that is tried again finds it
    (new / "prices.json").write_text(json.dumps({"apples": now.hour}))
    time.sleep(120)
    (new / "date.txt").write_text(f"{now:%H:%M}")
    CURRENT.write_text(new.name)
    for old in LIST.iterdir():
        if old.is_dir() and old.name not in (new.name, last):
            shutil.rmtree(old)
    volume.commit()


@app.function(volumes={str(LIST): volume}, scaledown_window=300)
def price() -> str:
    volume.reload()
    current = LIST / CURRENT.read_text()
    prices = json.loads((current / "prices.json").read_text())
    return f"{prices['apples']} at {(current / 'date.txt').read_text()}"
