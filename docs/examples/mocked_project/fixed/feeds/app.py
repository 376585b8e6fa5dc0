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


# A file for each feed: of a file that two containers write, one's changes would be lost.
def load(feed):
    with open(f"{DATA}/feeds/{feed}.json") as f:
        return json.load(f)


def load_all():
    if not os.path.isdir(f"{DATA}/feeds"):
        return {}
    names = [name.removesuffix(".json") for name in os.listdir(f"{DATA}/feeds")]
    return {name: load(name) for name in names}


@app.function(volumes={DATA: vol})
def ingest(feed, text, now=None):
    entries = parse(text)
    os.makedirs(f"{DATA}/feeds", exist_ok=True)
    with open(f"{DATA}/feeds/{feed}.json", "w") as f:
        json.dump({"entries": entries, "at": now or time.time()}, f)
    vol.commit()
    return len(entries)


@app.function(volumes={DATA: vol})
def search(word):
    vol.reload()
    return sorted(
        feed
        for feed, found in load_all().items()
        if any(word in entry["body"] for entry in found["entries"])
    )


@app.function(volumes={DATA: vol}, secrets=[signing])
def publish(feed):
    vol.reload()
    page = render(feed, load(feed)["entries"])
    os.makedirs(f"{DATA}/pages", exist_ok=True)
    with open(f"{DATA}/pages/{feed}.html", "w") as f:
        f.write(sign(page, os.environ["SIGNING_KEY"]))
    vol.commit()
    return f"pages/{feed}.html"


@app.function(volumes={DATA: vol})
def forget(feed):
    vol.reload()
    os.remove(f"{DATA}/feeds/{feed}.json")
    vol.commit()


@app.function(volumes={DATA: vol}, schedule=modal.Period(days=1))
def cleanup(days=7):
    vol.reload()
    index = load_all()
    old = [feed for feed in index if index[feed]["at"] < time.time() - days * DAY]
    with open(f"{DATA}/cleanup.log", "a") as log:
        for feed in old:
            os.remove(f"{DATA}/feeds/{feed}.json")
            log.write(f"removed {feed}\n")
    vol.commit()
    return old
