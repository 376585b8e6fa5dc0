"""
A store that is killed at any moment: what was acknowledged is whole, nothing else is there.

Seeds are printed; `--kill-seed` plays one again, `--kills` says how many (`tox -e crash`).
"""

import json
import os
import shutil
import signal
import tempfile
import traceback
from pathlib import Path

import pytest

from crash.work import Expected, OpenedStore, Step, work
from modal_emulator.store.archive import Archive
from store.conftest import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

FEW = 36
FAST = Path("/dev/shm")
IN_A_ROW = 12
"""How often one directory is killed and opened again before a new one is begun."""


def run_until_killed(directory: Path, seed: int, log: Path) -> None:
    pid = os.fork()
    if not pid:
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            # Some die while they open, most in the middle of something.
            work(directory, seed, 10 + seed * 7919 % 2000, handle)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(3)  # it was not killed, which is a failure
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def told(log: Path, expected: Expected) -> list[Expected]:
    """Return what may be there: what was acknowledged, with what was begun last or without it."""
    begun: Step = {}
    for line in log.read_text().splitlines():
        step = json.loads(line)
        if not step:
            expected = expected.after(begun)
        begun = step
    return [expected, expected.after(begun)] if begun else [expected]


def found(store: Store) -> dict[str, dict[int, dict[str, str]]]:
    """Return all that is there: of each volume, the files of each version that can be opened."""
    volumes = {}
    for volume in store.volumes.list(""):
        history = store.volumes.history(volume.volume_id)
        numbers = [record.number for record in history.versions]
        assert numbers == list(range(1, history.head.number + 1))
        versions = {}
        for number in [*history.openable] or [0]:
            edition = store.volumes.edition(volume.volume_id, number)
            versions[number] = {
                path: edition.locate(path).path.read_text()
                for path, entry in edition.entries("", recursive=True)
                if entry.kind.name == "FILE"
            }
            edition.close()
        if history.head.layers:
            assert dict(store.stack(volume.volume_id).walk()) == dict(history.head.tree.walk())
        volumes[volume.name] = versions
    return volumes


def matches(volumes: dict[str, dict[int, dict[str, str]]], expected: Expected) -> bool:
    if volumes.keys() != expected.volumes.keys():
        return False
    return all(
        max(versions) == max(expected.volumes[name])
        and all(expected.volumes[name][number] == files for number, files in versions.items())
        for name, versions in volumes.items()
    )


def check_tidy(store: Store) -> None:
    """Nothing lies about: every directory and file is named by the ledger, or linked by a layer."""
    store.content.sweep(store.blobs.contents())
    store.volumes.empty_trash()
    needed = Archive(store.ledger).needed()
    volumes = store.directory / "volumes"
    for place in volumes.iterdir() if volumes.exists() else ():
        if place.name == "trash":
            assert list(place.iterdir()) == []
        else:
            assert {path.name for path in place.iterdir()} == set(needed[place.name])
    content = store.directory / "content"
    for directory in ("incoming", "bundles"):
        assert list((content / directory).iterdir()) == []
    for path in content.rglob("*"):
        if path.is_file():
            assert path.stat().st_nlink > 1, f"nobody shows {path}"


def play(directory: Path, seed: int, expected: Expected) -> Expected:
    """Kill once, look, and return what was found to be true."""
    log = directory.with_name("log")
    run_until_killed(directory, seed, log)
    choices = told(log, expected)
    store = OpenedStore(directory)
    try:
        volumes = found(store)
        fitting = [choice for choice in choices if matches(volumes, choice)]
        assert fitting, f"found {volumes}\nnot {[choice.volumes for choice in choices]}"
        check_tidy(store)
    finally:
        store.close()
    return fitting[0]


def play_row(first: int) -> None:
    """Kill a row of times on one directory; the seeds are this one and those after it."""
    place = Path(tempfile.mkdtemp(prefix="crash", dir=FAST if FAST.is_dir() else None))
    expected = Expected()
    try:
        for seed in range(first, first + IN_A_ROW):
            try:
                expected = play(place / "state", seed, expected)
            except BaseException:
                print(f"play it again with --kill-seed {first} (it was kill {seed - first + 1})")
                raise
    finally:
        shutil.rmtree(place)


def test_what_was_acknowledged_is_whole_and_nothing_else_is_there(
    pytestconfig: pytest.Config,
) -> None:
    one = pytestconfig.getoption("--kill-seed")
    kills = pytestconfig.getoption("--kills") or FEW
    firsts = [one] if one is not None else range(1, kills + 1, IN_A_ROW)
    print(f"seeds {[*firsts]}")
    for first in firsts:
        play_row(first)
