"""
Dump a PostgreSQL database to a volume every night, and keep the dumps of the last days.

    modal secret create pg-backup PGHOST=... PGPORT=5432 PGUSER=... PGPASSWORD=... PGDATABASE=shop
    modal deploy pg_backup.py
    modal volume ls pg-backups backups
    modal run pg_backup.py::restore --name shop-2024-03-10T020000Z.sql.gz --into shop_again

`pg_dump` and `psql` read the five variables themselves, so no password is on a command line.
"""

import gzip
import os
import shutil
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import modal

image = modal.Image.debian_slim().apt_install("postgresql-client")
app = modal.App("pg-backup", image=image)
volume = modal.Volume.from_name("pg-backups", create_if_missing=True)
login = modal.Secret.from_name(
    "pg-backup", required_keys=["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"]
)

BACKUPS = Path("/data/backups")
STAMP = "%Y-%m-%dT%H%M%SZ"  # no colons: not every tool likes them in names
KEEP_DAYS = 3


@app.function(
    schedule=modal.Cron("0 2 * * *", timezone="Europe/London"),
    volumes={"/data": volume},
    secrets=[login],
    retries=2,
)
def backup() -> str:
    """Dump the database, remove what is too old, and return the dump's name."""
    now = datetime.now(timezone.utc)
    name = f"{os.environ['PGDATABASE']}-{now.strftime(STAMP)}.sql.gz"
    # The volume gets it when it is whole: commits in the background would take half a dump, too.
    with tempfile.NamedTemporaryFile() as dump:
        with gzip.open(dump, "wb") as packed:
            command = ["pg_dump", "--no-owner"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as pg_dump:
                shutil.copyfileobj(pg_dump.stdout, packed)
        if pg_dump.returncode:
            raise RuntimeError(f"pg_dump ended with code {pg_dump.returncode}")
        dump.flush()
        BACKUPS.mkdir(exist_ok=True)
        shutil.copyfile(dump.name, BACKUPS / name)
    remove_older_than(now - timedelta(days=KEEP_DAYS))
    volume.commit()
    return name


def remove_older_than(horizon: datetime) -> None:
    """Judge by the time in the name: it stays when files are copied or restored."""
    for path in BACKUPS.glob("*.sql.gz"):
        stamp = path.name.removesuffix(".sql.gz")[-len("2024-03-10T020000Z") :]
        if datetime.strptime(stamp, STAMP).replace(tzinfo=timezone.utc) < horizon:
            path.unlink()


@app.function(volumes={"/data": volume}, secrets=[login])
def restore(name: str, into: str) -> None:
    """Load a dump into a new database: a backup that nobody has restored is a hope."""
    volume.reload()
    subprocess.run(["createdb", into], check=True)
    command = ["psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", into]
    with gzip.open(BACKUPS / name) as dump, tempfile.TemporaryFile() as script:
        shutil.copyfileobj(dump, script)
        script.seek(0)
        subprocess.run(command, stdin=script, stdout=subprocess.DEVNULL, check=True)
