"""`modal-emulator region` against a running server."""

import json
import subprocess
from collections.abc import Callable

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_regions_are_taken_down_and_brought_up(run: Run, served: dict[str, str]) -> None:
    down = run("region", "down", "uk", env=served)
    assert down.stdout == "down: eu-west-2, europe-west2, uk-london-1\n"
    listed = json.loads(run("region", "list", "--json", env=served).stdout)
    assert [each["name"] for each in listed if not each["is_up"]] == [
        "eu-west-2",
        "europe-west2",
        "uk-london-1",
    ]
    assert run("region", "up", "uk-london-1", env=served).stdout == "up: uk-london-1\n"
    (line,) = [
        line
        for line in run("region", "list", env=served).stdout.splitlines()
        if line.startswith("eu-west-2")
    ]
    assert line.split() == ["eu-west-2", "aws", "down", "0", "uk"]
    unknown = run("region", "down", "moon", env=served)
    assert (unknown.returncode, unknown.stderr) == (1, "Error: Unknown region: 'moon'\n")
