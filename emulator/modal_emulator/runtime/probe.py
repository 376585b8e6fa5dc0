"""
What this machine lets a container be, found by trying.

Kernel version, seccomp filters, AppArmor and the file system of the state directory all have a
say, so nothing but one real attempt tells. It is made in a small process of its own.
"""

import errno
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modal_emulator.runtime import kernel
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.leftovers import remove_tree
from modal_emulator.runtime.overlay import Privilege, Stack, stack_up

__all__ = ["Finding", "probe", "refusal", "try_stack"]

# Settings of distributions, and the value that forbids.
_SWITCHES = {
    "kernel.apparmor_restrict_unprivileged_userns": "1",
    "kernel.unprivileged_userns_clone": "0",
    "user.max_user_namespaces": "0",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The best isolation that works in a directory, and why no better one does."""

    isolation: Isolation
    refusals: tuple[str, ...] = ()


def probe(directory: Path) -> Finding:
    """Try the isolations, the best first, with files below `directory`."""
    refusals: list[str] = []
    for isolation in (Isolation.ROOT, Isolation.USER):
        why = refusal(isolation, directory)
        if not why:
            return Finding(isolation, tuple(refusals))
        refusals.append(why)
    return Finding(Isolation.PLAIN, tuple(refusals))


def refusal(isolation: Isolation, directory: Path) -> str:
    """Return why the isolation does not work here, or an empty string."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if isolation is Isolation.ROOT and os.geteuid() != 0:
        return "not the superuser"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = Path(tempfile.mkdtemp(prefix="probe-", dir=directory))
    try:
        # -I -S: nothing of the user's is imported, and half of the interpreter's start is saved.
        package = str(Path(__file__).parents[2])
        code = f"import sys; sys.path.insert(0, {package!r}); import {__name__} as p; p.attempt()"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, isolation.value, str(place)],
            capture_output=True,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    finally:
        remove_tree(place)
    if done.returncode == 0:
        return ""
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return reason + (_switch() if isolation is Isolation.USER else "")


def _switch() -> str:
    """Name the setting that keeps ordinary users from namespaces, where there is one."""
    for name, forbids in _SWITCHES.items():
        path = Path("/proc/sys") / name.replace(".", "/")
        with suppress(OSError):
            if path.read_text().strip() == forbids:
                return f" ({name} is {forbids})"
    return ""


def attempt() -> None:
    """Make namespaces, a process and a stack of directories in this process, then end it."""
    isolation, place = Isolation(sys.argv[1]), Path(sys.argv[2])
    flags = kernel.NEW_MOUNTS | kernel.NEW_PIDS
    uid, gid = os.getuid(), os.getgid()
    try:
        if isolation is Isolation.USER:
            kernel.unshare(flags | kernel.NEW_USER)
            kernel.become_root(uid, gid)
        else:
            kernel.unshare(flags)
        pid = os.fork()
        if pid:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        try_stack(place, Privilege(root=isolation is Isolation.ROOT))
    except OSError as error:
        reason = str(error.strerror).replace(f" at {place / 'target'}", "")
        os.write(2, f"{reason}\n".encode())
        os._exit(1)
    os._exit(0)


def try_stack(place: Path, privilege: Privilege) -> None:
    """
    Do what every container needs: write, remove and unmount in a stack of directories.

    The caller has a mount namespace of its own.
    """
    lower, target = place / "lower", place / "target"
    for name in ("lower", "changes", "scratch", "target"):
        (place / name).mkdir()
    (lower / "removed").mkdir()
    (lower / "removed" / "file").touch()
    kernel.mount(None, "/", None, kernel.RECURSIVE | kernel.PRIVATE)
    stack = Stack((lower,), place / "changes", place / "scratch")
    stack_up(stack, target, privilege, place / "links")
    (target / "written").write_text("x")
    # A directory made anew needs an attribute that not every file system keeps for users.
    (target / "removed" / "file").unlink()
    (target / "removed").rmdir()
    (target / "removed").mkdir()
    kernel.umount(target)
    if not (place / "changes" / "written").is_file():
        raise OSError(errno.EIO, "an overlay does not keep what is written")
