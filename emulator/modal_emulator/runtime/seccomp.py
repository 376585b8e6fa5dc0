"""
The kernel's means to have one process answer system calls of others: seccomp(2).

A filter tells the kernel which calls to report; whoever holds its listener receives them and
answers each with an error, a success, or "go on". The room knows how to ask, not what to answer.
"""

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from modal_emulator.runtime.calls import CALLS, Table, table_here

__all__ = ["Filter", "Listener", "Request", "program", "refusal"]

# <linux/seccomp.h>; ioctl numbers of the generic layout, which both architectures have.
_SET_FILTER, _SPEC_ALLOW, _NEW_LISTENER = 1, 1 << 2, 1 << 3
_ALLOW, _NOTIFY = 0x7FFF_0000, 0x7FC0_0000
_RECEIVE, _SEND, _IS_VALID = 0xC050_2100, 0xC018_2101, 0x4008_2102
_CONTINUE = 1
_REQUEST = struct.Struct("=QII iIQ 6Q")
_ANSWER = struct.Struct("=QqiI")

# <linux/filter.h>: load a word, compare, test bits, return.
_LOAD, _EQUAL, _BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


@dataclass(frozen=True, slots=True)
class Request:
    """A call that waits for its answer."""

    id: int
    thread: int
    """As the listener's process namespace counts; 0 when it is not in it."""
    number: int
    arguments: tuple[int, ...]


def program(table: Table, names: Collection[str]) -> bytes:
    """Return the filter that reports these calls, where their arguments have the bits."""
    flagged = [name for name in names if CALLS[name].bits]
    plain = [name for name in names if name not in flagged]
    # Two instructions for each argument to be tested, then "allow" and "report".
    test = 3 + len(names) + 1
    allow = test + sum(2 * len(CALLS[name].bits) for name in flagged)
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, allow - 2, table.audit),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for name in plain:
        code.append((_EQUAL, allow + 1 - len(code) - 1, 0, table.numbers[name]))
    for name in flagged:
        code.append((_EQUAL, test - len(code) - 1, 0, table.numbers[name]))
        test += 2 * len(CALLS[name].bits)
    code.append((_RETURN, 0, 0, _ALLOW))
    for name in flagged:
        tests = CALLS[name].bits
        for left, (argument, bits) in zip(reversed(range(len(tests))), tests, strict=True):
            code.append((_LOAD, 0, 0, _ARGUMENTS + 8 * argument))
            after = len(code) + 1
            code.append((_BITS, 0 if left else allow + 1 - after, allow - after, bits))
    code += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOTIFY)]
    return b"".join(struct.pack("=HBBI", *each) for each in code)


def _install(table: Table, code: bytes | None) -> int:
    """Filter the calling process and all that it will start; return the listener."""
    which = _Program(len(code) // 8, code) if code else None
    # Without the second flag, older kernels slow all of the process down.
    flags = ctypes.c_ulong(_NEW_LISTENER | _SPEC_ALLOW)
    argument = ctypes.byref(which) if which else None
    listener = int(_libc.syscall(table.seccomp, ctypes.c_ulong(_SET_FILTER), flags, argument))
    if listener < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
    return listener


def refusal() -> str:
    """Return why calls cannot be reported on this machine, or an empty string."""
    table = table_here()
    if table is None:
        return "this architecture's system calls are not known"
    try:
        _install(table, None)
    except OSError as error:
        # seccomp(2): with no filter given, EFAULT says that the flags are known.
        return "" if error.errno == errno.EFAULT else str(error.strerror)
    raise AssertionError("seccomp(2) took no filter for one")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a container's main process has to do to be watched."""

    table: Table
    names: tuple[str, ...]
    end: socket.socket
    """Where whoever answers waits for the listener."""

    def install(self) -> None:
        """
        Report calls from here on, also of processes started later.

        Raises:
            OSError: the kernel refuses; nothing is reported.
        """
        with self.end:
            listener = _install(self.table, program(self.table, self.names))
            try:
                socket.send_fds(self.end, [b"."], [listener])
            finally:
                os.close(listener)


class Listener:
    """Receives calls and answers them."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._poll = select.poll()
        self._poll.register(file, select.POLLIN)

    def fileno(self) -> int:
        """Return the descriptor, for select; also readable when no caller is left."""
        return self._file

    def close(self) -> None:
        """Let the kernel fail what is reported from now on with ENOSYS."""
        os.close(self._file)

    def receive(self) -> Request | None:
        """
        Return a call that waits, None when there is none (any more); never waits itself.

        Raises:
            EOFError: no process is left that could call.
        """
        events = self._poll.poll(0)
        if not events:
            return None
        if not events[0][1] & select.POLLIN:
            raise EOFError
        buffer = bytearray(_REQUEST.size)
        try:
            fcntl.ioctl(self._file, _RECEIVE, buffer, True)
        except (FileNotFoundError, InterruptedError):
            return None  # the caller was killed or interrupted just now
        id, thread, _, number, _, _, *arguments = _REQUEST.unpack(buffer)
        return Request(id, thread, number, tuple(arguments))

    def is_waiting(self, id: int) -> bool:
        """Tell whether the call still waits, so that what was read of its process was its own."""
        try:
            fcntl.ioctl(self._file, _IS_VALID, struct.pack("=Q", id))
        except FileNotFoundError:
            return False
        return True

    def let(self, id: int) -> None:
        """Have the kernel do what the call asks for."""
        self._send(_ANSWER.pack(id, 0, 0, _CONTINUE))

    def answer(self, id: int, error: int = 0) -> None:
        """Have the call return 0, or fail with this error; the kernel does nothing."""
        self._send(_ANSWER.pack(id, 0, -error, 0))

    def _send(self, answer: bytes) -> None:
        with suppress(OSError):  # nobody waits for it any more
            fcntl.ioctl(self._file, _SEND, answer)
