"""An emulator whose state is on a disk of its own, which can be full or read-only."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from modal_emulator.emulator import Running, Settings, running
from modal_emulator.guard import closed_to_modal, pointed
from modal_emulator.pytest_plugin.client import LentClient
from modal_emulator.store.limits import VolumeLimits

MiB = 1 << 20
SIZE = 32 * MiB
Serve = Callable[[], AbstractContextManager[Running]]


class Disk:
    """A small file system of its own."""

    def __init__(self, path: Path, source: Path | None = None) -> None:
        self.path = path
        self.state = path / "state"
        self.source = source
        """A file that holds an ext4 file system; without one it is in memory."""

    @property
    def filler(self) -> Path:
        return self.path / "filler"

    def mount(self) -> None:
        if self.source is None:
            self._mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs")
        else:
            self._mount("-o", "loop", str(self.source))

    def unmount(self) -> None:
        # Not lazily: whatever still holds the disk would have outlived its server.
        subprocess.run(["umount", str(self.path)], check=True)

    def replace(self) -> None:
        """Be a new disk with what is on this one."""
        assert self.source is not None
        self.unmount()
        # Containers of others may still hold the old one, which stays read-only as long.
        self.source = shutil.copyfile(self.source, self.source.with_name("copy"))
        subprocess.run(["e2fsck", "-f", "-y", str(self.source)], capture_output=True)
        self.mount()

    def fill(self, leave: int = 0) -> None:
        """Leave so many bytes free and no more."""
        with self.filler.open("ab", buffering=0) as file:
            for piece in (MiB, 4096):
                while self._free() >= leave + piece:
                    file.write(b"x" * piece)

    def make_room(self) -> None:
        """Be empty again, but for the state."""
        self.filler.unlink()

    def grow(self) -> None:
        """Be larger, without anything being deleted."""
        self._change(f"size={2 * SIZE}")

    def forbid_writing(self) -> None:
        """Become read-only under a running server, as the kernel does when a disk fails."""
        os.sync()  # what had not reached the disk by then is lost with it, as in a power cut
        self._change("abort" if self.source else "ro")

    def _free(self) -> int:
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def _change(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True)

    def _mount(self, *arguments: str) -> None:
        command = ["mount", *arguments, str(self.path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"this machine does not mount {arguments[-1]}: {done.stderr}")


@contextmanager
def mounted(disk: Disk) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    disk.path.mkdir()
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk in memory."""
    with mounted(Disk(tmp_path / "disk")) as disk:
        yield disk


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk that can become read-only while it is in use."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(SIZE)
    done = subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"this machine makes no ext4 file system: {done.stderr}")
    with mounted(Disk(tmp_path / "disk", image)) as disk:
        yield disk


@contextmanager
def serving(directory: Path) -> Iterator[Running]:
    """Run an emulator on a state directory, with the SDK of this process pointed at it."""
    settings = Settings(background_commit_interval=0, volumes=VolumeLimits(layers=4))
    client = LentClient()
    with ExitStack() as stack:
        emulator = stack.enter_context(running(directory, settings=settings))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in pointed(emulator.environment, os.environ, os.devnull).items():
            if value is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, value)
        stack.enter_context(closed_to_modal())
        stack.callback(client.close)
        with client.lent():
            yield emulator
