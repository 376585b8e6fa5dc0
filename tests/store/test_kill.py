"""Killed at any moment, a server has kept every commit that it acknowledged, and no half of one."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from modal_emulator.store.layer import read_stack
from modal_emulator.store.tree import Kind
from store.committer import FILES, KEPT, open_volumes, the_volume

PROGRAM = Path(__file__).with_name("committer.py")
KILLS = 30


def kill_after(directory: Path, acknowledged: int, chance: random.Random) -> int:
    """Run the committer, kill it soon after some acknowledgements; return the last one."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    last = [int(process.stdout.readline()) for _ in range(acknowledged)][-1]
    for _ in range(chance.randrange(20_000)):
        pass  # a moment of no fixed length, so that the kill falls anywhere in a commit
    process.kill()
    rest = process.stdout.read().split("\n")
    process.wait(10)
    # A line that was cut short by the kill was not read by anyone: it has no end.
    return max([last, *(int(line) for line in rest[:-1])])


def check(directory: Path, acknowledged: int) -> None:
    ledger, volumes = open_volumes(directory)
    volume = the_volume(volumes)
    history = volumes.history(volume)
    assert acknowledged <= history.head.number <= acknowledged + 1
    assert [record.number for record in history.versions] == list(range(1, history.head.number + 1))
    needed: set[str] = set()
    assert history.openable == range(
        max(1, history.head.number - KEPT + 1), history.head.number + 1
    )
    for number in history.openable:
        edition = volumes.edition(volume, number)
        texts = {
            edition.locate(path).path.read_text()
            for path, entry in edition.entries("", recursive=True)
            if entry.kind is Kind.FILE
        }
        assert texts == {f"{number}\n" * (1 + number % 1000)}
        assert edition.tree.count == FILES + 2
        assert read_stack(edition.layers) == edition.tree
        needed.update(path.name for path in edition.layers)
        edition.close()
    place = directory / "volumes" / volume
    assert {path.name for path in place.iterdir()} == needed
    assert not list((directory / "content" / "incoming").iterdir())
    ledger.close()


@pytest.mark.slow
def test_every_acknowledged_commit_is_whole_after_a_kill(tmp_path):
    chance = random.Random(2)
    for _ in range(KILLS):
        check(tmp_path, kill_after(tmp_path, chance.randint(1, 6), chance))
