"""Requests to a web function: one after the other by httpx, and many at once by wrk."""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import web_app
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running

ONE = "web request by httpx, warm container"
MANY = "web requests under load, 32 connections of wrk, the time of each"
SECONDS, CONNECTIONS = 3, 32
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}

inline = pytest.mark.modal(runtime="inline")
process = pytest.mark.modal(runtime="process")


@pytest.fixture
def url(modal_emulator: Running) -> Iterator[str]:
    with web_app.app.run():
        found = web_app.page.get_web_url()
        assert found and httpx.get(found, timeout=60).content == web_app.BODY
        yield found


@pytest.fixture(scope="module")
def uvicorn_url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "web_app:hello", "--port", str(port)]
    server = subprocess.Popen([*command, "--no-access-log"], cwd=Path(__file__).parent)
    found = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                assert httpx.get(found).content == web_app.BODY
                break
            except httpx.ConnectError:
                assert server.poll() is None
                time.sleep(0.05)
        yield found
    finally:
        server.terminate()
        server.wait()


def one_by_one(benchmark: BenchmarkFixture, url: str) -> None:
    with httpx.Client() as client:
        assert benchmark(lambda: client.get(url).status_code) == 200


@pytest.mark.benchmark(group=ONE)
@process
def bench_process(benchmark: BenchmarkFixture, url: str) -> None:
    one_by_one(benchmark, url)


@pytest.mark.benchmark(group=ONE)
@inline
def bench_inline(benchmark: BenchmarkFixture, url: str) -> None:
    one_by_one(benchmark, url)


@pytest.mark.benchmark(group=ONE)
def bench_peer_uvicorn(benchmark: BenchmarkFixture, uvicorn_url: str) -> None:
    one_by_one(benchmark, uvicorn_url)


class Meter:
    """A clock of which each run of wrk takes as long as one of its requests took of the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


METER = Meter()


def under_load(benchmark: BenchmarkFixture, url: str) -> None:
    program = shutil.which("wrk")
    if program is None:
        pytest.skip("there is no wrk here, so no load is measured: apt-get install wrk")
    command = [
        program,
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{SECONDS}",
        "--timeout",
        "30s",
        "--latency",
        url,
    ]

    def load() -> None:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in said and "Socket errors" not in said, said
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
        METER.now += 1 / rate
        told = dict(re.findall(r"(50|99)%\s+([\d.]+[a-z]+)", said))
        for percent, text in told.items():
            number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()
            benchmark.extra_info[f"latency, {percent} %"] = float(number) * UNITS[unit]

    benchmark.pedantic(load, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group=MANY, timer=METER)
@process
def bench_process_under_load(benchmark: BenchmarkFixture, url: str) -> None:
    under_load(benchmark, url)


@pytest.mark.benchmark(group=MANY, timer=METER)
@inline
def bench_inline_under_load(benchmark: BenchmarkFixture, url: str) -> None:
    under_load(benchmark, url)


@pytest.mark.benchmark(group=MANY, timer=METER)
def bench_peer_uvicorn_under_load(benchmark: BenchmarkFixture, uvicorn_url: str) -> None:
    under_load(benchmark, uvicorn_url)
