"""What a launched container and the volumes of the server have to do with each other."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import modal
import pytest

from modal_emulator.emulator import Running, Settings, running
from modal_emulator.pytest_plugin.session import Session
from modal_emulator.runtime.backend import Capability
from modal_emulator.store.limits import VolumeLimits

pytestmark = pytest.mark.slow


@contextmanager
def limited(limits: VolumeLimits) -> Iterator[Running]:
    """Run an emulator whose volumes hold little, and commit nothing by themselves."""
    settings = Settings(volumes=limits, background_commit_interval=0)
    with running(settings=settings) as emulator:
        if Capability.WATCHED_CALLS not in emulator.offers:
            pytest.skip(f"calls are not watched on this machine: {emulator.notice}")
        session = Session(emulator)
        try:
            with session.test():
                yield emulator
        finally:
            session.close()


def perform(volume: modal.Volume, steps: list[tuple[str, str]]) -> list[Any]:
    """Do some steps in a new container."""
    app = modal.App()

    def done(steps: list[tuple[str, str]]) -> list[Any]:
        return [do(*step) for step in steps]

    def do(what: str, path: str) -> Any:
        try:
            if what == "sync":
                return subprocess.run(["sync", path], capture_output=True).returncode
            if what == "fill":
                return Path(path).write_text("1234")
            return {
                "make": Path(path).touch,
                "drop": Path(path).unlink,
                "dir": Path(path).mkdir,
            }[what]()
        except OSError as error:
            return str(error)

    function = app.function(serialized=True, volumes={"/data": volume})(done)
    with app.run():
        return function.remote(steps)


def full(path: str) -> str:
    return f"[Errno 28] No space left on device: '{path}'"


def names(volume: modal.Volume) -> list[str]:
    return sorted(entry.path for entry in volume.listdir("/", recursive=True))


def test_a_volume_of_version_1_is_full_at_the_write() -> None:
    with limited(VolumeLimits(v1_inodes=4)):
        volume = modal.Volume.from_name("small", create_if_missing=True)
        assert perform(volume, [("dir", "/data/d"), ("make", "/data/d/a")]) == [None, None]
        found = perform(
            volume,
            [
                ("make", "/data/b"),
                ("make", "/data/c"),
                ("make", "/data/e"),
                ("drop", "/data/b"),
                ("make", "/data/e"),
            ],
        )
        assert found == [None, None, full("/data/e"), None, None]
        # What the last container made is committed: no commit is refused for it.
        assert names(volume) == ["c", "d", "d/a", "e"]


def test_a_directory_of_version_2_is_full_at_the_write() -> None:
    with limited(VolumeLimits(v2_names=2)):
        volume = modal.Volume.from_name("small", create_if_missing=True, version=2)
        steps = [("dir", "/data/d"), *(("make", f"/data/d/{name}") for name in "abc")]
        assert perform(volume, steps) == [None, None, None, full("/data/d/c")]
        assert names(volume) == ["d", "d/a", "d/b"]


def test_a_sync_is_a_commit_that_can_fail() -> None:
    with limited(VolumeLimits(v2_file_size=3)) as emulator:
        volume = modal.Volume.from_name("synced", create_if_missing=True, version=2)
        steps = [("make", "/data/a"), ("sync", "/data"), ("fill", "/data/b"), ("sync", "/data")]
        assert perform(volume, [*steps, ("drop", "/data/b")]) == [None, 0, 4, 1, None]
        first, *_ = emulator.journal("volume.commit")
        assert first.values["via"] == "sync"
        (failure,) = emulator.journal("volume.sync-failed")
        assert "must be smaller than 1 TiB" in failure.values["error"]
