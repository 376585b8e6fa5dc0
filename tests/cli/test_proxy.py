"""`modal-emulator proxy` against a running server."""

import json
import subprocess
from collections.abc import Callable

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_proxies_are_made_listed_and_deleted(run: Run, served: dict[str, str]) -> None:
    assert run("proxy", "list", env=served).stdout == "There is no proxy.\n"
    made = run("proxy", "create", "office", "--addresses", "2", "--json", env=served)
    (created,) = json.loads(made.stdout)
    assert (created["name"], created["environment"], len(created["addresses"])) == (
        "office",
        "main",
        2,
    )
    assert json.loads(run("proxy", "list", "--json", env=served).stdout) == [created]
    line = run("proxy", "list", env=served).stdout
    assert line.split() == [
        "office",
        "main",
        f"{created['addresses'][0]},",
        created["addresses"][1],
    ]
    taken = run("proxy", "create", "office", env=served)
    assert (taken.returncode, taken.stderr) == (
        1,
        "Error: Proxy 'office' already exists in environment 'main'\n",
    )
    assert run("proxy", "delete", "office", env=served).stdout == "Proxy office was deleted.\n"
    gone = run("proxy", "delete", "office", env=served)
    assert (gone.returncode, gone.stderr) == (1, "Error: Proxy 'office' not found\n")
