"""A full disk: everybody is told, nothing is lost, and all goes on when there is room."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import modal
import pytest

from disk.conftest import Disk, MiB, serving

pytestmark = pytest.mark.slow

NO_ROOM = "No space left on device"
FULL = partial(pytest.raises, modal.exception.ResourceExhaustedError, match=NO_ROOM)
# The SDK's own words for a body that is not taken, with ours in them.
BODY_REFUSED = partial(pytest.raises, modal.exception.ExecutionError, match=NO_ROOM)
versions = pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])
DATA = Path("/data")


def upload(volume: modal.Volume, name: str, data: bytes) -> None:
    with volume.batch_upload(force=True) as batch:
        batch.put_file(io.BytesIO(data), name)


def contents(volume: modal.Volume) -> dict[str, bytes]:
    return {
        entry.path: b"".join(volume.read_file(entry.path))
        for entry in volume.listdir("/", recursive=True)
    }


@contextmanager
def container(volume: modal.Volume) -> Iterator[Callable[..., object]]:
    """Start a container that does to the volume what it is told."""
    app = modal.App("full")

    @app.function(serialized=True, volumes={str(DATA): volume})
    def act(what: str, name: str = "", data: bytes = b"") -> bytes | None:
        if what == "write":
            (DATA / name).write_bytes(data)
        elif what == "read":
            return (DATA / name).read_bytes()
        else:
            getattr(volume, what)()
        return None

    with app.run():
        yield act.remote


@versions
@pytest.mark.parametrize("remedy", [Disk.make_room, Disk.grow], ids=["deleting", "growing"])
def test_what_finds_no_room_is_told_and_nothing_is_lost(
    disk: Disk, version: int, remedy: Callable[[Disk], None]
) -> None:
    with serving(disk.state):
        volume = modal.Volume.from_name("full", create_if_missing=True, version=version)
        upload(volume, "first", b"1" * 5000)
        before = {"first": b"1" * 5000}
        with container(volume) as act:
            act("write", "early", b"2" * 50_000)
            disk.fill(leave=200_000)
            with FULL() if version == 2 else BODY_REFUSED():
                upload(volume, "large", b"3" * 10 * MiB)
            with pytest.raises(OSError, match=NO_ROOM):
                act("write", "torn", b"4" * MiB)
            disk.fill()
            for refused in (
                lambda: upload(volume, "small", b"5"),
                lambda: volume.copy_files(["first"], "second"),
                lambda: volume.remove_file("first"),
                lambda: act("commit"),
                lambda: act("reload"),
                lambda: modal.Secret.objects.create("secret", {"A": "1"}),
                lambda: modal.Volume.objects.create("other"),
                lambda: modal.Volume.objects.delete("full"),
            ):
                with FULL():
                    refused()
            assert contents(volume) == before
            assert act("read", "early") == b"2" * 50_000  # seen again after the refused reload
            torn = act("read", "torn")

            remedy(disk)
            act("write", "late", b"6")
            act("commit")
            upload(volume, "small", b"5")
            act("reload")
            after = {**before, "early": b"2" * 50_000, "late": b"6", "torn": torn, "small": b"5"}
            assert contents(volume) == after
            assert act("read", "small") == b"5"
    with serving(disk.state):
        assert contents(modal.Volume.from_name("full")) == after


def test_a_container_that_finds_no_room_is_told_as_such(disk: Disk) -> None:
    with serving(disk.state):
        volume = modal.Volume.from_name("full", create_if_missing=True)
        upload(volume, "first", b"1")
        with container(volume) as act:
            disk.fill()
            with pytest.raises(modal.exception.Error, match=NO_ROOM):
                act("read", "first")
            disk.make_room()
            assert act("read", "first") == b"1"
