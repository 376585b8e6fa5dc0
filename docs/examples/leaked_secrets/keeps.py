"""
How a secret stays in a container's environment.

    modal secret create partner TOKEN=...
    modal run keeps.py

- Log the names of settings, not their values.
- Keep on the volume where a value is to be found, not the value.
- Give it to programs by their environment, which they have anyway, not by arguments.
- Send it in a header: URLs end up in errors and in logs, also in those of others.

In a test, the emulator looks for the token in all these places, and finds it when a line of
`leaks.py` comes back.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import modal

app = modal.App("keeps")
volume = modal.Volume.from_name("keeps", create_if_missing=True)
partner = modal.Secret.from_name("partner", required_keys=["TOKEN"])


@app.function(volumes={"/data": volume}, secrets=[partner])
def synchronize() -> list[str]:
    """Return the command line of the program that was started."""
    print(f"starting with {sorted(os.environ)}")

    settings = {"url": "https://partner.example", "token": {"environment": "TOKEN"}}
    Path("/data/settings.json").write_text(json.dumps(settings))
    volume.commit()

    upload = [sys.executable, "-c", "import os; os.environ['TOKEN']"]
    return subprocess.run(upload, check=True).args


@app.function(secrets=[partner])
def login() -> None:
    url, headers = "https://partner.example/login", {"Authorization": os.environ["TOKEN"]}
    raise ConnectionError(f"cannot reach {url} with {sorted(headers)}")


@app.local_entrypoint()
def main() -> None:
    print(synchronize.remote())
    login.remote()
