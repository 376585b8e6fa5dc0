"""
A schedule writes a price list that requests read. Three things are wrong with it.

    modal deploy collides.py

1. `price` sees the list as it was when its container started, for as long as that is warm.
2. `price_now` reloads. While `rebuild` is at work it finds new prices with an old date, because
   a commit in the background has taken the one file and not yet the other.
3. `Counter` keeps a file open for speed, and so cannot reload at all.

`agrees.py` is the same list done right.
"""

import json
import time
from datetime import datetime, timezone
from pathlib import Path

import modal

app = modal.App("prices-collide")
volume = modal.Volume.from_name("prices-collide", create_if_missing=True)

LIST = Path("/list")


@app.function(schedule=modal.Cron("0 * * * *"), volumes={str(LIST): volume})
def rebuild() -> None:
    """Write the prices of this hour, then their date; what is between takes two minutes."""
    now = datetime.now(timezone.utc)
    (LIST / "prices.json").write_text(json.dumps({"apples": now.hour}))
    time.sleep(120)
    (LIST / "date.txt").write_text(f"{now:%H:%M}")
    volume.commit()


def read() -> str:
    prices = json.loads((LIST / "prices.json").read_text())
    return f"{prices['apples']} at {(LIST / 'date.txt').read_text()}"


@app.function(volumes={str(LIST): volume}, scaledown_window=300)
def price() -> str:
    return read()


@app.function(volumes={str(LIST): volume}, scaledown_window=300)
def price_now() -> str:
    volume.reload()
    return read()


@app.cls(volumes={str(LIST): volume}, scaledown_window=300)
class Counter:
    @modal.enter()
    def open(self) -> None:
        self.prices = (LIST / "prices.json").open()

    @modal.method()
    def price(self) -> int:
        volume.reload()
        self.prices.seek(0)
        return json.load(self.prices)["apples"]
