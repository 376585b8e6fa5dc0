"""
The Linux calls that Python does not offer, and no more.

Mounts, namespaces, two process controls and an open within another root, through the C library.
Every function raises OSError with the kernel's number. The room knows nothing of containers and
may be imported on any system; only calling its functions needs Linux.
"""

import ctypes
import errno
import os
from pathlib import Path

__all__ = [
    "BIND",
    "NEW_MOUNTS",
    "NEW_PIDS",
    "NEW_USER",
    "OWN_DIRECTORIES",
    "PRIVATE",
    "READ_ONLY",
    "RECURSIVE",
    "REMOUNT",
    "adopt_orphans",
    "become_root",
    "become_same",
    "can_take_files",
    "detach",
    "die_with_parent",
    "exchange",
    "hand_on_rights",
    "is_used",
    "join_mounts",
    "lay_down_rights",
    "mount",
    "open_inside",
    "take_file",
    "take_up_rights",
    "umount",
    "unshare",
]

# Values of <sys/mount.h>, <linux/sched.h> and <sys/prctl.h>; the same on every architecture.
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 1 << 5, 1 << 12, 1 << 14, 1 << 18
NEW_MOUNTS, NEW_USER, NEW_PIDS = 0x0002_0000, 0x1000_0000, 0x2000_0000
OWN_DIRECTORIES = 0x200  # CLONE_FS: root and working directory of a thread
_DETACH, _EXPIRE = 2, 4
_SET_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_AMBIENT, _AMBIENT_RAISE, _AMBIENT_CLEAR = 47, 2, 4
_CAPABILITIES = 0x2008_0522  # _LINUX_CAPABILITY_VERSION_3
_NO_DIRECTORY, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
_OPEN_HOW, _IN_ROOT = 437, 0x10  # openat2(2), RESOLVE_IN_ROOT
_TAKE_FILE = 438  # pidfd_getfd(2)

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(
    source: str | Path | None,
    target: str | Path,
    kind: str | None = None,
    flags: int = 0,
    options: str = "",
) -> None:
    """Attach a file system, or change how it is attached."""
    result = _libc.mount(
        os.fsencode(source) if source is not None else None,
        os.fsencode(target),
        kind.encode() if kind is not None else None,
        ctypes.c_ulong(flags),
        os.fsencode(options) if options else None,
    )
    _check(result, f"mount {kind or 'bind'} at {target}")


def umount(target: str | Path) -> None:
    """Call umount2(2) without force: EBUSY while anything holds what is mounted there."""
    _check(_libc.umount2(os.fsencode(target), 0), f"umount {target}")


def detach(target: str | Path) -> None:
    """Take away what is mounted there and below; whoever holds it keeps it, nobody finds it."""
    _check(_libc.umount2(os.fsencode(target), _DETACH), f"detach {target}")


def is_used(target: str | Path) -> bool:
    """
    Tell whether anybody holds what is mounted there: open or mapped files, directories, mounts.

    umount(2) is asked whether it may expire, which answers that at no cost however many files and
    mappings there are. One thread at a time: the second to ask in a row takes the mount away.
    """
    if _libc.umount2(os.fsencode(target), _EXPIRE) == 0:
        raise OSError(errno.EIO, f"what was mounted at {target} is gone")
    unused = ctypes.get_errno() == errno.EAGAIN
    os.stat(target)  # noqa: PTH116  (whoever looks at it has used it, so that it does not expire)
    return not unused


def join_mounts(namespace: int) -> None:
    """Have the calling thread, whose root is its own, see the mounts of an open namespace."""
    _check(_libc.setns(namespace, NEW_MOUNTS), "setns")


def unshare(flags: int) -> None:
    """Give the calling thread its own namespaces; NEW_PIDS holds for its children."""
    _check(_libc.unshare(flags), "unshare")


def become_root(uid: int, gid: int) -> None:
    """In a new user namespace: be root there, and outside still `uid` and `gid`."""
    _map_ids(f"0 {uid} 1", f"0 {gid} 1")


def become_same(uid: int, gid: int) -> None:
    """In a new user namespace: be `uid` and `gid` there as well, with every right over it."""
    _map_ids(f"{uid} {uid} 1", f"{gid} {gid} 1")


def _map_ids(users: str, groups: str) -> None:
    # Denied groups are the kernel's condition for an unprivileged gid_map.
    for name, text in (("setgroups", "deny"), ("uid_map", users), ("gid_map", groups)):
        Path(f"/proc/self/{name}").write_text(text)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with_parent(signal: int) -> None:
    """Have the kernel send `signal` to this process when its parent ends."""
    _prctl(_SET_DEATH_SIGNAL, signal)


def _prctl(option: int, value: int, more: int = 0) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(more), 0, 0), "prctl")


def take_up_rights() -> None:
    """Let the calling thread, and those that it starts, use every capability that it has."""
    _set_effective(used=True)


def lay_down_rights() -> None:
    """Have the calling thread, and all that it starts, use none of its capabilities."""
    _prctl(_AMBIENT, _AMBIENT_CLEAR)
    _set_effective(used=False)


def hand_on_rights() -> None:
    """Let programs that the calling thread starts have its capabilities, which it need not use."""
    permitted = _set_effective(used=False, inherited=True)
    for number in range(64):
        if permitted >> number & 1:
            _prctl(_AMBIENT, _AMBIENT_RAISE, number)


def _set_effective(*, used: bool, inherited: bool = False) -> int:
    """Set what the calling thread uses, and may hand on; returns all that it is permitted."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)  # 0: the calling thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice 32 bits of each
    _check(_libc.capget(header, sets), "capget")
    for low in (0, 3):
        sets[low] = sets[low + 1] if used else 0
        sets[low + 2] = sets[low + 1] if inherited else sets[low + 2]
    _check(_libc.capset(header, sets), "capset")
    return int(sets[1] | sets[4] << 32)


def exchange(one: str | Path, other: str | Path) -> None:
    """Have two names, of whatever they are, change places in one step."""
    if not hasattr(_libc, "renameat2"):  # an old C library
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    names = _NO_DIRECTORY, os.fsencode(one), _NO_DIRECTORY, os.fsencode(other)
    _check(_libc.renameat2(*names, ctypes.c_uint(_EXCHANGE)), f"exchange {one}")


class _How(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_inside(root: int, path: str, flags: int) -> int:
    """Open `path` as a process would whose `/` is the directory that `root` has open."""
    how = _How(flags | os.O_CLOEXEC, 0, _IN_ROOT)
    file = int(
        _libc.syscall(
            ctypes.c_long(_OPEN_HOW),
            ctypes.c_int(root),
            os.fsencode(path),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
    )
    _check(min(file, 0), f"open {path}")
    return file


def can_take_files() -> bool:
    """Tell whether the kernel has `take_file`."""
    _libc.syscall(_TAKE_FILE, -1, -1, 0)
    return ctypes.get_errno() != errno.ENOSYS


def take_file(process: int, file: int) -> int:
    """
    Return another descriptor of what a process has open.

    Takes over `process`, a handle of pidfd_open(2).
    """
    try:
        taken = int(_libc.syscall(_TAKE_FILE, process, file, 0))
        _check(min(taken, 0), f"pidfd_getfd {file}")
    finally:
        os.close(process)
    os.set_inheritable(taken, False)
    return taken
