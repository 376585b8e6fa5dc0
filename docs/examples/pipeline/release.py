"""
From dev to prod: deploy, try, take the data along, deploy, try again, and go back if that fails.

    python release.py shop.py
"""

import io
import subprocess
import sys
from pathlib import Path

import modal

APP, VOLUME, PRICES = "pipeline-shop", "pipeline-catalogue", "prices.json"


def command(*arguments: str) -> None:
    """Run Modal's own command."""
    subprocess.run(["modal", *arguments], check=True)


def smoke_test(environment: str) -> bool:
    """Say whether the app in an environment can name a price."""
    quote = modal.Function.from_name(APP, "quote", environment_name=environment)
    try:
        print(environment, "says:", answer := quote.remote("tea"))
    except Exception as error:
        print(environment, "fails:", repr(error))
        return False
    return float(answer.split()[0]) > 0


def promote_prices() -> None:
    """Copy the price list that was tried in dev to prod."""
    dev = modal.Volume.from_name(VOLUME, environment_name="dev")
    prod = modal.Volume.from_name(VOLUME, environment_name="prod", create_if_missing=True)
    prices = b"".join(dev.read_file(PRICES))
    with prod.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(prices), PRICES)


def release(file: Path) -> str:
    """Bring an app from this file to prod; return how far it came."""
    command("deploy", "-e", "dev", str(file))
    if not smoke_test("dev"):
        return "stays in dev"
    promote_prices()
    command("deploy", "-e", "prod", str(file))
    if smoke_test("prod"):
        return "released"
    command("app", "rollback", APP, "-e", "prod")
    return "rolled back" if smoke_test("prod") else "down"


if __name__ == "__main__":
    print(release(Path(sys.argv[1])))
