"""
A price list that is right in every test and stale in production.

`price` reads the file without a reload. A container that starts sees the newest commit, so the
first answer is right. One that is warm keeps the view that it started with, for as long as
requests keep it warm, which on a busy day is for ever.

Remember: warm containers do not see later commits. Who must know the newest reloads.
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
    return json.loads((PRICES / f"{item}.json").read_text())
