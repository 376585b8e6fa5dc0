"""
What clauses do inside containers.

These functions are sent by reference: the package is put into the containers' image. Only the
standard library and `modal` may be imported here, as nothing else is sure to be there.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import modal

__all__ = [
    "BadStart",
    "Farewell",
    "Named",
    "answer",
    "append",
    "ask",
    "call",
    "claim_each",
    "commit",
    "commit_while_open",
    "copy_environment",
    "delete_volume",
    "die",
    "error_number",
    "exists",
    "first_of",
    "hard_link",
    "hold",
    "in_a_row_then_commit",
    "let_go",
    "link_target",
    "listed",
    "make_directory",
    "move",
    "names",
    "perform",
    "read",
    "real_path",
    "reload",
    "reload_from",
    "reload_while_open",
    "reload_while_program_runs",
    "remove",
    "run_program",
    "secret_from_local_environ",
    "symlink",
    "take_each",
    "then_commit",
    "use_for_a_while",
    "write",
    "write_and_fail",
    "write_and_look_from_outside",
    "write_and_sync",
]

Result = TypeVar("Result")

HELD: dict[str, list[Any]] = {}
"""What is kept from one input to the next, by container: a module may serve several of them."""


def perform(
    body: Callable[..., Result], arguments: Sequence[Any], options: dict[str, Any]
) -> tuple[str, Result]:
    """Run a body; return which container did and what came of it."""
    return os.environ.get("MODAL_TASK_ID", ""), body(*arguments, **options)


def write(path: str, text: str, mode: str = "w") -> None:
    """Write a file, making the directories above it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open(mode, encoding="utf-8") as file:
        file.write(text)


def append(path: str, text: str) -> None:
    """Add to the end of a file."""
    write(path, text, "a")


def read(path: str) -> str:
    """Return what a file holds."""
    return Path(path).read_text("utf-8")


def names(path: str) -> list[str]:
    """Return the names in a directory, sorted."""
    return sorted(entry.name for entry in Path(path).iterdir())


def exists(path: str) -> bool:
    """Say whether there is something, be it a broken link."""
    return os.path.lexists(path)


def remove(path: str) -> None:
    """Remove a file, or a directory with all in it."""
    if Path(path).is_dir():
        shutil.rmtree(path)
    else:
        Path(path).unlink()


def make_directory(path: str) -> None:
    """Make a directory and those above it."""
    Path(path).mkdir(parents=True)


def move(source: str, target: str) -> None:
    """Rename within the volume, as `os.replace` does."""
    Path(source).replace(target)


def symlink(target: str, path: str) -> None:
    """Make a symbolic link."""
    Path(path).symlink_to(target)


def hard_link(source: str, path: str) -> None:
    """Give a file another name."""
    os.link(source, path)


def link_target(path: str) -> str:
    """Return what a symbolic link says."""
    return str(Path(path).readlink())


def real_path(path: str) -> str:
    """Return the path with all links followed."""
    return os.path.realpath(path)


def commit(volume: modal.Volume) -> None:
    """Commit."""
    volume.commit()


def then_commit(volume: modal.Volume, body: Callable[..., object], *arguments: Any) -> None:
    """Run a body and commit in the same call, so that no background commit comes between."""
    body(*arguments)
    volume.commit()


def in_a_row_then_commit(
    volume: modal.Volume, steps: Sequence[tuple[Callable[..., object], ...]]
) -> None:
    """Run bodies with their arguments one after the other and commit, all in the same call."""
    for body, *arguments in steps:
        body(*arguments)
    volume.commit()


def reload(volume: modal.Volume) -> None:
    """Reload."""
    volume.reload()


def listed(volume: modal.Volume, path: str = "/") -> list[str]:
    """Ask the service, not the mount, what is in a directory of the volume."""
    return sorted(entry.path for entry in volume.listdir(path))


def write_and_look_from_outside(volume: modal.Volume, path: str, text: str) -> list[str]:
    """Write without a commit, and ask the service at once what is in the volume."""
    write(path, text)
    return listed(volume)


def write_and_sync(
    volume: modal.Volume, path: str, text: str, synced: str
) -> tuple[int, list[str]]:
    """Write, run `sync` on a path, return its exit code and what the service has by then."""
    write(path, text)
    done = subprocess.run(["sync", synced], check=False)
    return done.returncode, listed(volume)


def write_and_fail(path: str, text: str) -> None:
    """Write, and raise before the input is done."""
    write(path, text)
    raise ArithmeticError("this input fails on purpose")


def commit_while_open(volume: modal.Volume, path: str, text: str) -> None:
    """Commit while a file is open for writing and all of it has been handed to the system."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        volume.commit()


def reload_while_open(volume: modal.Volume, path: str, mode: str) -> None:
    """Reload while a file of the volume is open."""
    with Path(path).open(mode):
        volume.reload()


def reload_from(volume: modal.Volume, directory: str) -> None:
    """Reload with this working directory."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        volume.reload()
    finally:
        os.chdir(before)


def reload_while_program_runs(
    volume: modal.Volume,
    command: Sequence[str],
    directory: str | None = None,
    stdin: str | None = None,
) -> None:
    """Reload while another program runs there, or has a file there as its standard input."""
    with Path(stdin or os.devnull).open("rb") as file:
        program = subprocess.Popen(command, cwd=directory, stdin=file)
    try:
        # For a moment after its start a program has no arguments yet, and so no name.
        while not Path(f"/proc/{program.pid}/cmdline").read_bytes():
            time.sleep(0.01)
        volume.reload()
    finally:
        program.kill()
        program.wait()


def hold(path: str) -> None:
    """Open a file and keep it open after this input."""
    _held().append(Path(path).open("rb"))  # noqa: SIM115 - to be open is the point


def let_go() -> None:
    """Close what `hold` opened."""
    while held := _held():
        held.pop().close()


def error_number(body: Callable[..., object], *arguments: Any) -> int | None:
    """Return the number of the system's error that a body meets, or None."""
    try:
        body(*arguments)
    except OSError as error:
        return error.errno
    return None


def run_program(command: Sequence[str]) -> tuple[int, str, str]:
    """Run a program; return its exit code and what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def die() -> None:
    """End this container without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def copy_environment(names: Sequence[str]) -> dict[str, str | None]:
    """Return these environment variables."""
    return {name: os.environ.get(name) for name in names}


def secret_from_local_environ(keys: list[str]) -> str:
    """Make a secret of local variables where nothing is local."""
    return repr(modal.Secret.from_local_environ(keys))


def delete_volume(name: str) -> str:
    """Delete a volume by name, from inside a container."""
    modal.Volume.objects.delete(name)
    return "deleted"


def call(handle: Any, method: str, *arguments: Any, **options: Any) -> Any:
    """Call a method of a Dict or a Queue; what it gives one by one comes as a list."""
    answer = getattr(handle, method)(*arguments, **options)
    return list(answer) if hasattr(answer, "__next__") else answer


def first_of(handle: modal.Queue, patience: float) -> Any:
    """Wait for the first value of a Queue and leave it there."""
    return next(handle.iterate(item_poll_timeout=patience))


def ask(handle: modal.Queue, number: int) -> Any:
    """Send a number, and wait for what comes back."""
    handle.put(number, partition="questions")
    return handle.get(timeout=30, partition="answers")


def answer(handle: modal.Queue) -> int:
    """Wait for a number, and send back twice as much."""
    number = int(handle.get(timeout=30, partition="questions") or 0)
    handle.put(2 * number, partition="answers")
    return number


def use_for_a_while(values: Sequence[Any]) -> tuple[list[Any], list[Any], list[str]]:
    """Make a Dict and a Queue that last for a block; return what was in them, and their ids."""
    with modal.Dict.ephemeral() as entries, modal.Queue.ephemeral() as line:
        entries.update(dict(enumerate(values)))
        line.put_many(list(values))
        found = [entries[number] for number in range(len(values))]
        return found, line.get_many(len(values)), [entries.object_id, line.object_id]


def claim_each(handle: modal.Dict, keys: Sequence[str], who: str) -> list[str]:
    """Try to be the first at each of these keys; return those where that went well."""
    return [key for key in keys if handle.put(key, who, skip_if_exists=True)]


def take_each(handle: modal.Queue) -> list[Any]:
    """Take one by one until nothing is there."""
    taken = []
    while (value := handle.get(block=False)) is not None:
        taken.append(value)
    return taken


class BadStart:
    """A class whose container writes a file at its start and then fails."""

    @modal.enter()
    def start(self) -> None:
        """Write, and raise before there is an input."""
        write("/data/start.txt", "before the failure")
        raise ArithmeticError("this container does not start, on purpose")

    @modal.method()
    def never(self) -> None:
        """Never run."""


class Named:
    """A class with a parameter."""

    name: str = modal.parameter()

    @modal.method()
    def sign(self, volume: modal.Volume, path: str) -> str:
        """Write the name, commit, and return which container did it."""
        write(path, self.name)
        volume.commit()
        return os.environ.get("MODAL_TASK_ID", "")


class Farewell:
    """A class whose container writes a file when it ends."""

    @modal.method()
    def write_at_exit(self, path: str, text: str) -> None:
        """Remember what to write."""
        # Of this instance: where containers are threads, they share what is the module's.
        self.last_words = (path, text)

    @modal.exit()
    def leave(self) -> None:
        """Write it."""
        write(*self.last_words)


def _held() -> list[Any]:
    return HELD.setdefault(os.environ.get("MODAL_TASK_ID", ""), [])
