"""`modal-emulator serve --redis`: servers that share Dicts and Queues."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from engines.conftest import redis_url

__all__ = ["redis_url"]

pytestmark = pytest.mark.slow

WAIT = """
import modal
queue = modal.Queue.from_name("shared", create_if_missing=True).hydrate()
print("waiting", flush=True)
print(queue.get(timeout=240), modal.Dict.from_name("told")["by"])
"""
TELL = """
import modal
modal.Dict.from_name("told", create_if_missing=True)["by"] = "another"
modal.Queue.from_name("shared").put("hello")
"""


def python(server: Any, script: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_servers_share_what_is_in_one_redis(serve: Callable[..., Any], redis_url: str) -> None:
    one, two = (serve("--state-dir", name, "--redis", redis_url) for name in ("one", "two"))
    waits = python(one, WAIT)
    assert waits.stdout is not None and waits.stdout.readline() == "waiting\n"
    assert python(two, TELL).communicate(timeout=240)[0] == ""
    assert waits.communicate(timeout=240)[0] == "hello another\n"
    assert one.stop()[0] == 0 == two.stop()[0]


def test_what_cannot_be_reached_is_told_in_one_line(run: Callable[..., Any]) -> None:
    done = run("serve", "--redis", "redis://:hunter2@localhost:1")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("Error: ")
    assert "Dicts and Queues" in done.stderr and "hunter2" not in done.stderr
