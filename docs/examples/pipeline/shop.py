"""Quotes from a price list in a volume, with a margin from a secret: one app, several shops."""

import json
import os
from pathlib import Path

import modal

app = modal.App("pipeline-shop")
catalogue = modal.Volume.from_name("pipeline-catalogue", create_if_missing=True)
config = modal.Secret.from_name("pipeline-config")


@app.function(volumes={"/catalogue": catalogue}, secrets=[config])
def quote(item: str) -> str:
    """Return what an item costs."""
    catalogue.reload()
    prices = json.loads(Path("/catalogue/prices.json").read_text())
    return f"{prices[item] * float(os.environ['MARGIN']):.2f}"
