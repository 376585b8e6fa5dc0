"""
The process that answers for the connections of containers of threads.

What a container of processes asks its warden, threads cannot ask a thread of their own process: it
would need Python's lock, and who holds that may be waiting for the answer. So one small process
beside the test's answers for all of them, and ends when that one closes the line to it.
"""

import json
import select
import socket
import subprocess
import sys
import threading
from contextlib import suppress

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.binding import Ports, decide
from modal_emulator.runtime.callers import Caller
from modal_emulator.runtime.calls import Kind, Table, table_here
from modal_emulator.runtime.seccomp import Filter, Listener

__all__ = ["Usher", "main"]

_KINDS = (Kind.BIND, Kind.CONNECT)
_ANSWER_SECONDS = 30.0
_LONGEST = 256


class Usher:
    """Has the connections of threads come from elsewhere."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._turn = threading.Lock()

    def filter(self, source: str) -> Filter:
        """
        Return what a thread has to install so that its connections come from `source`.

        So do those of the threads and programs that it starts then.

        Raises:
            EmulatorError: the machine has no such means.
        """
        table = table_here()
        if table is None:
            raise EmulatorError("this architecture's system calls are not known")
        with self._turn:
            line = self._line or self._begin()
            ours, theirs = socket.socketpair()
            with ours:
                socket.send_fds(line, [json.dumps(source).encode()], [ours.fileno()])
        return Filter(table, table.of_kinds(_KINDS), theirs)

    def close(self) -> None:
        """End the process; whoever still asks is then told that there is no such call."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._process is not None:
            self._process.wait(_ANSWER_SECONDS)
            self._process = None

    def _begin(self) -> socket.socket:
        # Whole messages, so that each comes with its own file.
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, "-m", __name__, str(number)]
            self._process = subprocess.Popen(command, pass_fds=[number], stdin=subprocess.DEVNULL)
        return self._line


class _Guest:
    """One container, until no thread of it is left."""

    def __init__(self, table: Table, source: str, end: socket.socket) -> None:
        self._table = table
        self._ports = Ports("", source)
        self._end: socket.socket | None = end
        self._listener: Listener | None = None

    @property
    def file(self) -> int | None:
        """What to select for reading, None when it is over."""
        side = self._end or self._listener
        return None if side is None else side.fileno()

    @property
    def writing_files(self) -> tuple[int, ...]:
        """What to select for writing."""
        return self._ports.files

    def serve(self) -> None:
        """Answer what can be answered now."""
        if self._end is not None:
            _, files, _, _ = socket.recv_fds(self._end, 1, 1)
            self._end.close()
            self._end = None
            for file in files:
                self._listener = Listener(file)
        elif self._listener is not None:
            self._receive(self._listener)

    def settle(self) -> None:
        """Answer those whose connection is made."""
        self._ports.serve()

    def _receive(self, listener: Listener) -> None:
        try:
            request = listener.receive()
        except EOFError:
            listener.close()
            self._listener = None
            return
        if request is None:
            return
        is_answered = False
        with suppress(Exception):
            kind = self._table.kind(request.number)
            caller = Caller("/proc", request.thread)
            is_answered = decide(self._ports, kind, listener, request, caller)
        if not is_answered:
            listener.let(request.id)


def main(number: int) -> None:
    """Serve until the other end of the line is closed."""
    table = table_here()
    assert table is not None  # who starts this has looked
    guests: list[_Guest] = []
    with socket.socket(fileno=number) as line:
        while True:
            guests = [guest for guest in guests if guest.file is not None]
            reading = [guest.file for guest in guests if guest.file is not None]
            writing = [file for guest in guests for file in guest.writing_files]
            ready, _, _ = select.select([number, *reading], writing, [])
            for guest in guests:
                guest.settle()
                if guest.file in ready:
                    guest.serve()
            if number in ready:
                data, files, _, _ = socket.recv_fds(line, _LONGEST, 1)
                if not data:
                    return
                end = socket.socket(fileno=files[0])
                guests.append(_Guest(table, json.loads(data), end))


if __name__ == "__main__":
    main(int(sys.argv[1]))
