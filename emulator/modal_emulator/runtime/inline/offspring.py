"""
Programs that code in a container starts: `subprocess`, `os.system`, `multiprocessing` and others.

They are in the container's files by the kernel's doing. Here they get its environment, which the
kernel does not know, and their output goes to the container's where they would inherit the
process's. With the container they end. A program belongs where the thread does that starts it: what
the SDK's own thread starts on behalf of a container is none of that container's.

What cannot be had: a program that C code starts gets the process's environment and output. A
program that `multiprocessing` starts once for all (its forkserver and its resource tracker) is in
the container that needed it first.
"""

import _posixsubprocess
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any

from modal_emulator.ground.clock import rest
from modal_emulator.runtime.holders import processes_in
from modal_emulator.runtime.inline.here import Here, here
from modal_emulator.runtime.inline.spawning import home
from modal_emulator.runtime.replacing import wrap_one

__all__ = ["adopt_programs", "end_programs"]

# Places of arguments of `fork_exec`, the same in Python 3.10 to 3.13.
_ENVIRONMENT, _OUTPUT, _ERROR = 5, 9, 11
_EXECVE = os.execve
_LOOK = 0.001  # seconds
_LOOKS = 2000  # a process that waits for a disk does not end
_hooks: list[Callable[[], None]] = []


def adopt_programs() -> Callable[[], None]:
    """Give programs what is their container's; returns what takes that back."""
    if not _hooks:  # these cannot be taken back
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
        _hooks.append(_before_fork)
    takers = [
        wrap_one(_posixsubprocess, "fork_exec", _fork_exec),
        wrap_one(os, "posix_spawn", _posix_spawn),
        wrap_one(os, "posix_spawnp", _posix_spawn),
        wrap_one(os, "execv", _exec("execv", os.getpid())),
        wrap_one(os, "execve", _exec("execve", os.getpid())),
        wrap_one(os, "fork", _fork),
        wrap_one(os, "system", _system),
    ]
    if hasattr(subprocess, "_fork_exec"):  # since Python 3.11
        takers.append(wrap_one(subprocess, "_fork_exec", _fork_exec))

    def take_back() -> None:
        for take in takers:
            take()

    return take_back


def end_programs(container: Here) -> None:
    """Kill the programs of a container with all that they started; called on its keeper."""
    if not container.children:
        return
    mine, tracker = _namespace("thread-self"), _tracker()
    is_apart = mine != _namespace("self")
    for _ in range(_LOOKS):
        started = {pid for pid in container.children if _is_ours(pid)} - {tracker}
        found = started | (processes_in(mine) if is_apart else set())
        found = found.union(*(_descendants(pid) for pid in found)) - {tracker}
        if not found:
            break
        # First who was started here: it could see the end of what it waits for, and exit itself.
        for pid in (*started, *(found - started)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        rest(_LOOK)
    for pid in container.children - {tracker}:
        with suppress(ChildProcessError):  # somebody has waited for it
            os.waitpid(pid, os.WNOHANG)


def _environment(container: Here) -> dict[bytes, bytes]:
    return {os.fsencode(k): os.fsencode(v) for k, v in container.environment.items()}


def _outlets(container: Here) -> tuple[int, int]:
    return container.outlets() if container.outlets is not None else (1, 2)


def _fork_exec(original: Callable[..., int]) -> Callable[..., int]:
    @wraps(original)
    def fork_exec(*arguments: Any) -> int:
        container = home()
        if container is None:
            return original(*arguments)
        given = list(arguments)
        if given[_ENVIRONMENT] is None:
            given[_ENVIRONMENT] = [k + b"=" + v for k, v in _environment(container).items()]
        for place, outlet in zip((_OUTPUT, _ERROR), _outlets(container), strict=True):
            if given[place] == -1:
                given[place] = outlet
        pid = original(*given)
        container.children.add(pid)
        return pid

    return fork_exec


def _posix_spawn(original: Callable[..., int]) -> Callable[..., int]:
    @wraps(original)
    def posix_spawn(path: Any, argv: Any, env: Mapping[Any, Any] | None, /, **options: Any) -> int:
        container = home()
        if container is None:
            return original(path, argv, env, **options)
        outlets = enumerate(_outlets(container), 1)
        ours = [(os.POSIX_SPAWN_DUP2, outlet, number) for number, outlet in outlets]
        options["file_actions"] = [*ours, *(options.get("file_actions") or ())]
        # None means the process's own, since Python 3.13.
        given = _environment(container) if env is None else dict(env)
        pid = original(path, argv, given, **options)
        container.children.add(pid)
        return pid

    return posix_spawn


def _exec(name: str, process: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def become(path: Any, argv: Any, *environment: Any) -> Any:
            container = home()
            if container is None:
                return original(path, argv, *environment)
            if os.getpid() == process:
                raise RuntimeError(
                    f"os.{name}() in a container of the inline runtime would end the whole test "
                    "process; use runtime='process' for this test"
                )
            given = environment or (_environment(container),)
            return _EXECVE(path, argv, *given)

        return become

    return around


def _fork(original: Callable[[], int]) -> Callable[[], int]:
    @wraps(original)
    def fork() -> int:
        pid = original()
        container = home()
        if pid and container is not None:
            container.children.add(pid)
        return pid

    return fork


def _system(original: Callable[[Any], int]) -> Callable[[Any], int]:
    @wraps(original)
    def system(command: Any) -> int:
        if here() is None:
            return original(command)
        code = subprocess.call(["/bin/sh", "-c", command])
        return code << 8 if code >= 0 else -code

    return system


def _before_fork() -> None:
    container = home()
    if container is not None:
        _outlets(container)  # made before: what the child would make, nobody reads


def _after_fork() -> None:
    container = home()
    if container is None:
        return
    for number, outlet in enumerate(_outlets(container), 1):
        if outlet != number:
            os.dup2(outlet, number)
    container.on_output = _write
    container.children.clear()


def _write(number: int, data: bytes) -> None:
    while data:
        data = data[os.write(number, data) :]


def _tracker() -> int | None:
    """Return the process that `multiprocessing` tells of its semaphores, one for all."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    pid: int | None = getattr(getattr(module, "_resource_tracker", None), "_pid", None)
    return pid


def _namespace(process: str) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{process}/ns/mnt")  # noqa: PTH115
    return ""


def _is_ours(pid: int) -> bool:
    """Tell whether a child of this process still runs."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            # The name in parentheses may hold anything; state and parent follow it.
            state, parent = file.read().rpartition(")")[2].split()[:2]
    except OSError:
        return False
    return int(parent) == os.getpid() and state not in "ZX"


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with open(f"/proc/{pid}/task/{task}/children") as file:  # noqa: PTH123
                found.update(int(child) for child in file.read().split())
    return found.union(*(_descendants(child) for child in found))
