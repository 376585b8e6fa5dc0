"""A disk that nothing can be written to: reads go on, all else is refused in clear words."""

from collections.abc import Callable
from functools import partial
from subprocess import CompletedProcess

import modal
import pytest

from cli.conftest import run
from disk.conftest import Disk, serving
from disk.test_full_disk import container, contents, upload, versions

pytestmark = pytest.mark.slow

__all__ = ["run"]

READ_ONLY = partial(
    pytest.raises, modal.exception.ResourceExhaustedError, match="Read-only|Input/output error"
)


@versions
def test_reads_go_on_when_the_disk_takes_no_writes_any_more(
    failing_disk: Disk, version: int
) -> None:
    disk = failing_disk
    with serving(disk.state):
        volume = modal.Volume.from_name("kept", create_if_missing=True, version=version)
        upload(volume, "first", b"1" * 5000)
        with container(volume) as act:
            act("write", "early", b"2")
            act("commit")
            before = contents(volume)
            disk.forbid_writing()
            for refused in (
                lambda: upload(volume, "small", b"5"),
                lambda: volume.copy_files(["first"], "second"),
                lambda: volume.remove_file("first"),
                lambda: modal.Secret.objects.create("secret", {"A": "1"}),
            ):
                with READ_ONLY():
                    refused()
            with pytest.raises(OSError, match="Read-only file system"):
                act("write", "late", b"6")
            assert act("read", "first") == b"1" * 5000
            assert contents(volume) == before
    disk.replace()
    with serving(disk.state):
        volume = modal.Volume.from_name("kept")
        assert contents(volume) == before
        upload(volume, "late", b"6")
        assert contents(volume) == {**before, "late": b"6"}


@pytest.mark.parametrize("state", ["none", "there"])
def test_a_server_does_not_start_where_it_cannot_write(
    disk: Disk, run: Callable[..., CompletedProcess[str]], state: str
) -> None:
    if state == "there":
        with serving(disk.state):
            modal.Volume.from_name("kept", create_if_missing=True).hydrate()
    disk.forbid_writing()
    done = run("serve", "--state-dir", disk.state)
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_server_does_not_start_where_there_is_no_room(
    disk: Disk, run: Callable[..., CompletedProcess[str]]
) -> None:
    with serving(disk.state):
        modal.Volume.from_name("kept", create_if_missing=True).hydrate()
    disk.fill()
    done = run("serve", "--state-dir", disk.state)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    disk.make_room()
    with serving(disk.state):
        assert contents(modal.Volume.from_name("kept")) == {}
