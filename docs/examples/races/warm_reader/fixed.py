"""
The price list with a reload before each read that has to be of now.

A reload costs a call, and fails while anything in the container holds a file of the volume open:
so the file is read and closed, and the function takes one input at a time. Where an answer may be
a minute old, reload at most once a minute, and say so to whoever relies on it.
"""

import json
from pathlib import Path

import modal

app = modal.App("prices")
volume = modal.Volume.from_name("prices", create_if_missing=True)

PRICES = Path("/prices")


@app.function(volumes={str(PRICES): volume})
def set_price(item: str, cents: int) -> None:
    (PRICES / f"{item}.json").write_text(json.dumps(cents))
    volume.commit()


@app.function(volumes={str(PRICES): volume})
def price(item: str) -> int:
    volume.reload()
    return json.loads((PRICES / f"{item}.json").read_text())
