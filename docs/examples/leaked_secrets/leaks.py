"""
Four ways in which a secret gets out of a container. `keeps.py` is the same without them.

    modal secret create partner TOKEN=...
    modal run leaks.py

Whoever may read the logs, the volume, an error report or the list of processes has the token then,
and each of these is read by more people than the secret.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import modal

app = modal.App("leaks")
volume = modal.Volume.from_name("leaks", create_if_missing=True)
partner = modal.Secret.from_name("partner", required_keys=["TOKEN"])


@app.function(volumes={"/data": volume}, secrets=[partner])
def synchronize() -> list[str]:
    """Return the command line of the program that was started."""
    print(f"starting with {dict(os.environ)}")  # into the log

    settings = {"url": "https://partner.example", "token": os.environ["TOKEN"]}
    Path("/data/settings.json").write_text(json.dumps(settings))  # onto the volume
    volume.commit()

    upload = [sys.executable, "-c", "pass", "--token", os.environ["TOKEN"]]
    return subprocess.run(upload, check=True).args  # into the list of processes


@app.function(secrets=[partner])
def login() -> None:
    url = f"https://me:{os.environ['TOKEN']}@partner.example/login"
    raise ConnectionError(f"cannot reach {url}")  # into the log, and to whoever called


@app.local_entrypoint()
def main() -> None:
    print(synchronize.remote())
    login.remote()
