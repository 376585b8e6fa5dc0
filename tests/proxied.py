"""The app of the tests of proxies: containers import it by its name."""

import os
import subprocess
from urllib.error import HTTPError
from urllib.request import urlopen

import modal

app = modal.App("proxied")
office = modal.Proxy.from_name("office")


def fetch(url: str) -> str:
    try:
        with urlopen(url, timeout=60) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return f"{error.code} {error.reason}"


def query(port: int, password: str) -> str:
    """Ask PostgreSQL by libpq, as psql and psycopg do."""
    there = f"host=localhost port={port} user=guest dbname=shop"
    command = ["psql", there, "--tuples-only", "--no-align", "--command=SELECT 'welcome'"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PGPASSWORD": password},
    )
    return done.stdout.strip() or done.stderr.splitlines()[-1]


@app.function(proxy=office)
def by_proxy(url: str) -> list[str]:
    curl = subprocess.run(["curl", "--silent", url], capture_output=True, text=True)
    return [fetch(url), curl.stdout]


@app.function()
def directly(url: str) -> str:
    return fetch(url)


@app.function(proxy=office)
def query_by_proxy(port: int, password: str) -> str:
    return query(port, password)


@app.function()
def query_directly(port: int, password: str) -> str:
    return query(port, password)
