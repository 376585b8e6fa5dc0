import json
import os
import time

import modal

from feeds.text import parse, render, sign

app = modal.App("feeds")
vol = modal.Volume.from_name("feeds", create_if_missing=True)
signing = modal.Secret.from_name("feeds-signing", required_keys=["SIGNING_KEY"])

DATA = "/data"
DAY = 24 * 3600


def load_index():
    try:
        with open(f"{DATA}/index.json") as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def save_index(index):
    with open(f"{DATA}/index.json", "w") as f:
        json.dump(index, f)


@app.function(volumes={DATA: vol})
def ingest(feed, text, now=None):
    index = load_index()
    index[feed] = {"entries": parse(text), "at": now or time.time()}
    save_index(index)
    vol.commit()
    return len(index[feed]["entries"])


@app.function(volumes={DATA: vol})
def search(word):
    return sorted(
        feed
        for feed, found in load_index().items()
        if any(word in entry["body"] for entry in found["entries"])
    )


@app.function(volumes={DATA: vol}, secrets=[signing])
def publish(feed):
    page = render(feed, load_index()[feed]["entries"])
    os.makedirs(f"{DATA}/pages", exist_ok=True)
    with open(f"{DATA}/pages/{feed}.html", "w") as f:
        f.write(sign(page, os.environ["SIGNING_KEY"]))
    return f"pages/{feed}.html"


@app.function(volumes={DATA: vol})
def forget(feed):
    index = load_index()
    del index[feed]
    save_index(index)
    vol.commit()


@app.function(volumes={DATA: vol}, schedule=modal.Period(days=1))
def cleanup(days=7):
    with open(f"{DATA}/cleanup.log", "a") as log:
        vol.reload()
        index = load_index()
        old = [feed for feed in index if index[feed]["at"] < time.time() - days * DAY]
        for feed in old:
            del index[feed]
            log.write(f"removed {feed}\n")
        save_index(index)
    vol.commit()
    return old
