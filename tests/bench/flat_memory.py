"""
How much memory a server takes while many bytes pass through it.

    python tests/bench/flat_memory.py 10

sends a file of so many GiB (1 if none is named) to `modal-emulator serve` in a process of its own,
reads it back, and prints what memory that process took before, at the worst moment, and after:
once for a volume of version 2, and then of version 1. All is kept below TMPDIR, which needs three
times the room.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import modal

GIB, BLOCK = 1 << 30, 1 << 24


def resident(pid: int) -> int:
    """Return the memory of a process in MiB, without pages of files."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return int(status["RssAnon"].split()[0]) // 1024


class Watch(threading.Thread):
    """Looks at a process ten times a second and remembers the most that it took."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self.idle = self.most = resident(pid)

    def run(self) -> None:
        while not self._over.wait(0.1):
            self.most = max(self.most, resident(self._pid))

    def end(self) -> int:
        """Stop, and return what the process takes now."""
        self._over.set()
        self.join()
        return resident(self._pid)


def make(path: Path, size: float) -> None:
    """Write bytes of which no two blocks are alike."""
    with path.open("wb") as file:
        for _ in range(int(size * GIB) // BLOCK):
            file.write(os.urandom(BLOCK))


def transfer(path: Path, version: int) -> None:
    """Send the file and read it back."""
    volume = modal.Volume.from_name(f"v{version}", create_if_missing=True, version=version)
    began = time.monotonic()
    with volume.batch_upload(force=True) as batch:
        batch.put_file(path, "/large")
    sent = time.monotonic()
    with Path(os.devnull).open("wb") as sink:
        volume.read_file_into_fileobj("large", sink)
    size, ended = path.stat().st_size / 2**20, time.monotonic()
    print(
        f"v{version}: up {size / (sent - began):.0f} MiB/s, down {size / (ended - sent):.0f} MiB/s"
    )


def main(size: float = 1) -> None:
    """Measure it."""
    with tempfile.TemporaryDirectory() as room:
        make(Path(room, "source"), size)
        command = [sys.executable, "-m", "modal_emulator", "serve", "--json"]
        command += ["--state-dir", f"{room}/state"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            try:
                os.environ.update(json.loads(server.stdout.readline())["env"])
                for version in (2, 1):
                    watch = Watch(server.pid)
                    watch.start()
                    transfer(Path(room, "source"), version)
                    after = watch.end()
                    print(f"MiB idle {watch.idle}, at most {watch.most}, after {after}", flush=True)
            finally:
                server.terminate()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
