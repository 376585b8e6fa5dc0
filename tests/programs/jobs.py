"""
Real programs and libraries at work in a volume, as a user's app runs them.

Each job is one call in a container. `DATA` names the two mounts; a job that gets a `top` works in
the volume that is mounted there.
"""

import contextlib
import email
import fcntl
import inspect
import logging
import logging.handlers
import mmap
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import modal

app = modal.App("programs")
DATA = {
    "/one": modal.Volume.from_name("programs-1", create_if_missing=True, version=1),
    "/two": modal.Volume.from_name("programs-2", create_if_missing=True, version=2),
}
# "One input per container", as the installed SDK wants it said.
ONCE: dict[str, Any] = (
    {"single_use_containers": True}
    if "single_use_containers" in inspect.signature(modal.App.function).parameters
    else {"max_inputs": 1}
)
JOBS: dict[str, Callable[..., Any]] = {}
HELD: list[Any] = []
SOURCES = Path(email.__file__).parent


def job(body: Callable[..., Any]) -> Callable[..., Any]:
    JOBS[body.__name__] = body
    return body


@app.cls(volumes=dict(DATA.items()), scaledown_window=60)
class Box:
    """Each name has a container of its own."""

    name: str = modal.parameter()

    @modal.method()
    def do(self, name: str, *arguments: Any) -> Any:
        return JOBS[name](*arguments)


@app.cls(volumes=dict(DATA.items()), scaledown_window=60)
@modal.concurrent(max_inputs=4)
class Busy:
    """A container that does several jobs at a time."""

    @modal.method()
    def do(self, name: str, *arguments: Any) -> Any:
        return JOBS[name](*arguments)


@app.function(volumes=dict(DATA.items()), **ONCE)
def write_once(place: str) -> str:
    """Write without a commit in a container that ends after that."""
    Path(place).write_text("1")
    return place


# ------------------------------------------------------- what all need


@job
def names(place: str) -> list[str]:
    return sorted(path.name for path in Path(place).iterdir())


@job
def commit(top: str) -> None:
    DATA[top].commit()


@job
def reload(top: str) -> str:
    """Reload; return how it was refused, or nothing."""
    try:
        DATA[top].reload()
    except RuntimeError as refusal:
        return str(refusal)
    return ""


@job
def let_go() -> None:
    while HELD:
        HELD.pop().close()


@job
def shell(script: str) -> str:
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


# ------------------------------------------------------- sqlite


@job
def open_database(place: str, mode: str) -> str:
    connection = sqlite3.connect(place)
    HELD.append(connection)
    found = connection.execute(f"pragma journal_mode={mode}").fetchone()[0]
    connection.execute("create table if not exists rows (id integer primary key, text)")
    return str(found)


@job
def insert(first: int, count: int) -> None:
    with HELD[-1] as connection:
        connection.executemany(
            "insert into rows values (?, ?)",
            [(number, f"row {number} " * 50) for number in range(first, first + count)],
        )


@job
def count_rows(place: str) -> tuple[int, str]:
    """Look into a copy: whoever closes a database in WAL mode changes it."""
    with contextlib.ExitStack() as stack:
        copy = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for path in Path(place).parent.glob(f"{Path(place).name}*"):
            shutil.copy(path, copy)
        connection = sqlite3.connect(copy / Path(place).name)
        stack.callback(connection.close)
        (count,) = connection.execute("select count(*) from rows").fetchone()
        (health,) = connection.execute("pragma integrity_check").fetchone()
        return count, health


# ------------------------------------------------------- arrays


@job
def save_array(place: str, size: int) -> None:
    import numpy as np

    np.save(place, np.arange(size, dtype=np.int64))


@job
def map_array(place: str) -> int:
    import numpy as np

    array = np.load(place, mmap_mode="r")
    HELD.append(array._mmap)
    return int(array.sum())


@job
def open_archive(place: str) -> list[str]:
    import numpy as np

    archive = np.load(place)
    HELD.append(archive)
    return list(archive)


@job
def save_archive(place: str) -> None:
    import numpy as np

    Path(place).parent.mkdir(parents=True, exist_ok=True)
    np.savez(place, contam=np.ones(1000))


@job
def add_to_array(place: str, number: int) -> None:
    import numpy as np

    array = np.memmap(place, dtype=np.int64, mode="r+")
    array += number
    array.flush()


@job
def hold_array(place: str) -> None:
    import numpy as np

    with Path(place).open("r+b") as file:
        HELD.append(mmap.mmap(file.fileno(), 0))
    assert np.frombuffer(HELD[-1], dtype=np.int64)[1] >= 1


@job
def add_to_held_array(number: int) -> None:
    import numpy as np

    array = np.frombuffer(HELD[-1], dtype=np.int64)
    array += number


@job
def make_raw_array(place: str, size: int) -> None:
    import numpy as np

    array = np.memmap(place, dtype=np.int64, mode="w+", shape=(size,))
    array[:] = np.arange(size)
    array.flush()


@job
def sum_raw_array(place: str) -> int:
    import numpy as np

    return int(np.fromfile(place, dtype=np.int64).sum())


@job
def save_tensors(place: str) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"weight": np.arange(10_000, dtype=np.float32)}, place)


@job
def map_tensors(place: str) -> float:
    from safetensors import safe_open

    tensors = safe_open(place, framework="np")

    class Held:
        def close(self) -> None:
            tensors.__exit__(None, None, None)

    tensors.__enter__()
    HELD.append(Held())
    return float(tensors.get_tensor("weight").sum())


# ------------------------------------------------------- trees and archives


@job
def copy_sources(place: str) -> None:
    shutil.copytree(SOURCES, place, ignore=shutil.ignore_patterns("__pycache__"))
    Path(place, "link").symlink_to("message.py")


@job
def contents(place: str) -> dict[str, tuple[int, bytes]]:
    """Everything below a directory: the mode and what is in it, or where a link leads."""
    found = {}
    for path in sorted(Path(place).rglob("*")):
        data = b""
        if path.is_symlink():
            data = os.fsencode(path.readlink())
        elif path.is_file():
            data = path.read_bytes()
        found[str(path.relative_to(place))] = (path.lstat().st_mode, data)
    return found


@job
def zip_and_unzip(source: str, archive: str, target: str) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(Path(source).rglob("*.py")):
            packed.write(path, path.relative_to(source))
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("added.txt", "later")
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
        packed.extractall(target)


@job
def tar_and_untar(source: str, archive: str, target: str) -> None:
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(source, "top")
    options = {"filter": "tar"} if sys.version_info >= (3, 12) else {}
    with tarfile.open(archive) as packed:
        packed.extractall(target, **options)


@job
def move(source: str, target: str) -> None:
    shutil.move(source, target)


@job
def remove(place: str) -> None:
    shutil.rmtree(place)


# ------------------------------------------------------- logs and locks


@job
def log_to(place: str, lines: int, limit: int) -> None:
    handler = logging.handlers.RotatingFileHandler(place, maxBytes=limit, backupCount=50)
    handler.setFormatter(logging.Formatter("%(message)s"))
    HELD.append(handler)
    for number in range(lines):
        handler.emit(logging.makeLogRecord({"msg": f"line {number}"}))


@job
def follow(place: str) -> None:
    program = subprocess.Popen(["tail", "-f", place], stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.readline()  # it has the file open

    class Held:
        def close(self) -> None:
            program.kill()
            program.communicate()

    HELD.append(Held())


@job
def count_together(place: str, processes: int, times: int) -> int:
    """Let processes add to one counter, each under a lock."""
    script = (
        "import fcntl, sys\n"
        "for _ in range(int(sys.argv[2])):\n"
        "    with open(sys.argv[1], 'r+') as file:\n"
        "        fcntl.flock(file, fcntl.LOCK_EX)\n"
        "        number = int(file.read())\n"
        "        file.seek(0)\n"
        "        file.write(str(number + 1))\n"
    )
    Path(place).write_text("0")
    command = [sys.executable, "-c", script, place, str(times)]
    for program in [subprocess.Popen(command) for _ in range(processes)]:
        assert program.wait() == 0
    with Path(place).open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return int(file.read())


# ------------------------------------------------------- publishing


@contextlib.contextmanager
def publishing(place: str, size: int) -> Iterator[None]:
    """Replace a file again and again by whole ones, each full of one letter."""
    done = threading.Event()

    def work() -> None:
        number = 0
        while not done.is_set():
            handle, name = tempfile.mkstemp(dir=Path(place).parent, prefix=".tmp-")
            with os.fdopen(handle, "wb") as file:
                file.write(bytes([ord("a") + number % 26]) * size)
            Path(name).replace(place)
            number += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join()


@job
def publish_and_read(top: str, size: int, times: int) -> list[str]:
    """Commit while a file is replaced all the time; return what was wrong with what was read."""
    place, flaws = f"{top}/published", []
    with publishing(place, size):
        while not Path(place).exists():
            time.sleep(0.001)
        for _ in range(times):
            DATA[top].commit()
            data = b"".join(DATA[top].read_file("published"))
            if len(data) != size or len(set(data)) != 1 or not data[0]:
                flaws.append(f"{len(data)} bytes of {sorted(set(data))}")
    return flaws
