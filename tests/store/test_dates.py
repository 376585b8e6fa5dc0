"""When files were written, on a clock that is not the machine's."""

import os
from collections.abc import Iterator
from pathlib import Path

import modal
import pytest

from modal_emulator.emulator import Running, Settings, running
from modal_emulator.pytest_plugin.session import Session

pytestmark = pytest.mark.slow

T = 1_803_866_400  # 2027-03-01 02:00 UTC
DAY = 86_400
KINDS = [("inline", "root"), ("inline", "plain"), ("process", "root"), ("process", "plain")]
DAYS = (0, 1, 2, 8, 9)


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """An emulator whose containers are of one kind."""
    runtime, isolation = request.param
    if isolation == "root" and os.geteuid():
        pytest.skip("only root may mount without more ado")
    settings = Settings(runtime=runtime, isolation=isolation, background_commit_interval=0)
    with running(settings=settings) as emulator:
        session = Session(emulator)
        yield session
        session.close()


@pytest.fixture
def emulator(session: Session) -> Iterator[Running]:
    with session.test() as emulator:
        yield emulator


def test_what_is_older_than_seven_days_is_deleted(emulator: Running) -> None:
    version = 1 if emulator.settings.isolation == "root" else 2
    volume = modal.Volume.from_name("logs", create_if_missing=True, version=version)
    app = modal.App("clean-up")

    def daily(day: int) -> list[str]:
        import time

        logs = Path("/logs")
        volume.reload()
        for path in logs.iterdir():
            if path.stat().st_mtime < time.time() - 7 * 86400:
                path.unlink()
        (logs / f"{day}.txt").write_text("text")
        volume.commit()
        return sorted(path.name for path in logs.iterdir())

    function = app.function(serialized=True, volumes={"/logs": volume})(daily)
    with app.run():
        for day in DAYS:
            emulator.clock.freeze(T + day * DAY)
            left = function.remote(day)
    assert left == ["2.txt", "8.txt", "9.txt"]
    listed = {entry.path: entry.mtime for entry in volume.listdir("/")}
    assert listed == {f"{day}.txt": T + day * DAY for day in (2, 8, 9)}


def test_directories_links_and_times_that_were_set(emulator: Running) -> None:
    volume = modal.Volume.from_name("data", create_if_missing=True)
    app = modal.App("times")

    def write() -> dict[str, float]:
        data = Path("/data")
        (data / "new").mkdir()
        (data / "new" / "file").write_text("text")
        (data / "new" / "link").symlink_to("file")
        (data / "set").write_text("text")
        os.utime(data / "set", (1e9, 1e9))
        volume.commit()
        return read()

    def read() -> dict[str, float]:
        found = {path: os.lstat(f"/data/{path}").st_mtime for path in ("new", "new/file", "set")}
        return {**found, "new/link": os.lstat("/data/new/link").st_mtime}

    writer = app.function(serialized=True, volumes={"/data": volume})(write)
    reader = app.function(serialized=True, volumes={"/data": volume})(read)
    with app.run():
        emulator.clock.freeze(T)
        there = {"new": T, "new/file": T, "new/link": T, "set": 1e9}
        assert writer.remote() == there, "who wrote it sees it too"
        emulator.clock.freeze(T + DAY)
        assert reader.remote() == there
        with volume.batch_upload() as batch:
            batch.put_file(Path(__file__), "uploaded")
    times = {entry.path: entry.mtime for entry in volume.listdir("/", recursive=True)}
    assert times["new"] == times["new/file"] == T
    assert times["set"] == 1_000_000_000
    assert times["uploaded"] == T + DAY
