"""Many containers, threads and clients change one volume at once: nothing is lost or mixed."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import modal
import pytest

pytestmark = pytest.mark.slow

DATA = Path("/data")
versions = pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])


@pytest.fixture
def volume(modal_emulator: object, version: int) -> modal.Volume:
    volume = modal.Volume.from_name("many", create_if_missing=True, version=version)
    volume.hydrate()
    return volume


def make_writers(app: modal.App, volume: modal.Volume, count: int) -> Callable[[], list[Any]]:
    """Return how to get writers; the class is made in here so that it is sent by value."""

    @app.cls(serialized=True, volumes={str(DATA): volume})
    class Writer:
        """Each name has a container of its own."""

        name: str = modal.parameter()

        @modal.enter()
        def find(self) -> None:
            self.volume = modal.Volume.from_name("many")

        @modal.method()
        def write(self, path: str, text: str) -> None:
            (DATA / path).write_text(text)

        @modal.method()
        def commit(self) -> None:
            self.volume.commit()

        @modal.method()
        def churn(self, rounds: int) -> list[str]:
            """Write a file a round, and commit or reload."""
            for number in range(rounds):
                (DATA / f"{self.name}-{number}").write_text(f"{self.name} {number}")
                if number % 3 == 2:
                    self.volume.reload()
                else:
                    self.volume.commit()
            return sorted(path.name for path in DATA.iterdir())

        @modal.method()
        def race(self, rounds: int) -> None:
            """Commit and reload in four threads, each with a handle of its own."""
            handles = [modal.Volume.from_name("many") for _ in range(4)]
            for handle in handles:
                handle.hydrate()
            start = threading.Barrier(len(handles))

            def loop(number: int) -> None:
                start.wait()
                for _ in range(rounds):
                    handles[number].commit() if number % 2 else handles[number].reload()

            for turn in range(rounds):
                (DATA / f"{self.name}-{turn}").write_text("raced")
                with ThreadPoolExecutor(len(handles)) as threads:
                    list(threads.map(loop, range(len(handles))))

    return lambda: [Writer(name=f"w{number}") for number in range(count)]


def contents(volume: modal.Volume) -> dict[str, str]:
    paths = [entry.path for entry in volume.listdir("/")]
    with ThreadPoolExecutor(8) as threads:
        texts = threads.map(lambda path: b"".join(volume.read_file(path)).decode(), paths)
        return dict(zip(paths, texts, strict=True))


def at_once(calls: list[Any]) -> list[Any]:
    return [call.get() for call in calls]


@pytest.mark.parametrize("version", [2], ids=["v2"])
def test_a_hundred_commits_of_distinct_files_lose_nothing(volume: modal.Volume) -> None:
    app = modal.App("hundred")
    writers = make_writers(app, volume, 100)
    with app.run():
        every = writers()
        at_once([w.write.spawn(f"f{n}", f"text {n}") for n, w in enumerate(every)])
        at_once([w.commit.spawn() for w in every])  # all at once, and all from the empty volume
        assert contents(volume) == {f"f{n}": f"text {n}" for n in range(100)}


@versions
def test_of_twenty_commits_of_one_file_one_stays_whole(volume: modal.Volume) -> None:
    app = modal.App("twenty")
    writers = make_writers(app, volume, 20)
    texts = [f"{n};" * (1 + n * 997) for n in range(20)]
    with app.run():
        every = writers()
        at_once([w.write.spawn("same", text) for w, text in zip(every, texts, strict=True)])
        at_once([w.commit.spawn() for w in every])
        found = contents(volume)
    assert found.keys() == {"same"}
    assert found["same"] in texts


@versions
def test_commits_reloads_uploads_and_removals_at_once(volume: modal.Volume) -> None:
    app = modal.App("mixed")
    writers = make_writers(app, volume, 4)
    rounds = 6

    def upload(number: int) -> None:
        with volume.batch_upload() as batch:
            batch.put_file(io.BytesIO(b"up %d" % number), f"up-{number}")
        if number % 2:
            volume.remove_file(f"up-{number}")

    with app.run():
        calls = [writer.churn.spawn(rounds) for writer in writers()]
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(upload, range(12)))
        views = at_once(calls)
        written = {f"w{w}-{n}": f"w{w} {n}" for w in range(4) for n in range(rounds)}
        assert contents(volume) == {**written, **{f"up-{n}": f"up {n}" for n in range(0, 12, 2)}}
    for number, view in enumerate(views):  # and each sees its own, whatever it has reloaded
        assert {f"w{number}-{n}" for n in range(rounds)} <= set(view)


@versions
def test_threads_of_one_container_commit_and_reload_at_once(volume: modal.Volume) -> None:
    app = modal.App("threads")
    writers = make_writers(app, volume, 1)
    with app.run():
        (writer,) = writers()
        writer.race.remote(4)
        assert contents(volume) == {f"w0-{n}": "raced" for n in range(4)}
