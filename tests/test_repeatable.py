"""
The same story on a clock that stands gives the same journal, byte for byte, whatever else goes on.

`pytest tests/test_repeatable.py --repeats 100` tells it a hundred times; processes that burn what
processors there are make the machine as unfair as continuous integration.
"""

import json
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import modal
import pytest

from modal_emulator.emulator import Running

START = 1_709_164_800.0  # 2024-02-29T00:00:00Z

app = modal.App("repeatable")
volume = modal.Volume.from_name("repeatable-volume", create_if_missing=True)
seen = modal.Dict.from_name("repeatable-dict", create_if_missing=True)


@app.function(schedule=modal.Cron("*/20 * * * *"), volumes={"/data": volume})
def note() -> None:
    count = seen.get("runs", 0) + 1
    seen["runs"] = count
    with Path("/data/runs.txt").open("a") as file:
        file.write(f"{count}\n")
    if count % 3 == 0:
        volume.commit()


@app.function(schedule=modal.Period(minutes=30), retries=modal.Retries(max_retries=2))
def flaky() -> None:
    tries = seen.get("tries", 0) + 1
    seen["tries"] = tries
    if tries % 2:
        raise ValueError("every other try fails")


@app.function(schedule=modal.Cron("0 * * * *"), timeout=600)
def spread() -> list[int]:
    return [double.remote(number) for number in range(3)]


@app.function(max_containers=1)
def double(number: int) -> int:
    return number * 2


def tell(emulator: Running) -> bytes:
    emulator.reset()
    emulator.sow("a story")
    emulator.clock.freeze(START)
    app.deploy()
    emulator.clock.advance(hours=2)
    return b"\n".join(
        json.dumps([event.at, event.kind, dict(event.values)]).encode()
        for event in emulator.journal()
    )


def burn() -> None:
    while True:
        pass


@pytest.fixture
def load() -> Iterator[None]:
    method = multiprocessing.get_context("spawn")
    burning = [method.Process(target=burn, daemon=True) for _ in range(os.cpu_count() or 1)]
    for one in burning:
        one.start()
    yield
    for one in burning:
        one.kill()
        one.join()


@pytest.mark.modal(runtime="inline")
def test_the_same_journal_each_time(
    load: None, request: pytest.FixtureRequest, modal_emulator: Running
) -> None:
    first = tell(modal_emulator)
    # Every twenty minutes, every thirty, every hour; the last retry is still to come.
    assert first.count(b"schedule.finished") == 2 * (3 + 2 + 1) - 1
    for _ in range(1, request.config.getoption("repeats")):
        assert tell(modal_emulator) == first
