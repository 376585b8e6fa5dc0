"""
JSON lines with open files beside them, over a unix socket.

`Peer` is the waiting side (zygote and warden), `Line` the side on the server's event loop.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Line", "Message", "Peer"]

Message = dict[str, Any]
_PIECE = 1 << 16
_FILES = 8


class _Buffer:
    """Cuts what arrived into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Message]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return [json.loads(line) for line in lines if line]


class Peer:
    """A blocking end: one message at a time."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._buffer = _Buffer()
        self._waiting: list[Message] = []
        self.files: list[int] = []
        """Open files that came with the messages so far; taken by whoever reads them."""

    def fileno(self) -> int:
        """Return the socket's descriptor, for select."""
        return self._end.fileno()

    def receive(self) -> Message | None:
        """Return the next message, or None when the other side is gone."""
        while not self._waiting:
            try:
                piece, files, _, _ = socket.recv_fds(self._end, _PIECE, _FILES)
            except ConnectionResetError:
                return None
            self.files += files
            if not piece:
                return None
            self._waiting = self._buffer.feed(piece)
        return self._waiting.pop(0)

    @property
    def has_more(self) -> bool:
        """True when `receive` would not have to wait for the socket."""
        return bool(self._waiting)

    def send(self, message: Message, files: Sequence[int] = ()) -> None:
        """Send a message; files must be few."""
        data = json.dumps(message).encode() + b"\n"
        sent = socket.send_fds(self._end, [data], list(files)) if files else 0
        self._end.sendall(data[sent:])

    def close(self) -> None:
        """Let the other side see the end."""
        self._end.close()


class Line:
    """An end on the running event loop: calls back for each message and at the end."""

    def __init__(
        self,
        end: socket.socket,
        on_message: Callable[[Message, Sequence[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        end.setblocking(False)
        self._end = end
        self._buffer = _Buffer()
        self._on_message, self._on_end = on_message, on_end
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end.fileno(), self._read)
        self._sending = asyncio.Lock()

    async def send(self, message: Message, files: Sequence[int] = ()) -> None:
        """
        Send a message.

        Raises:
            ConnectionError: the other side is gone.
        """
        async with self._sending:
            if self._end.fileno() < 0:
                raise ConnectionResetError("the line is closed")
            data = json.dumps(message).encode() + b"\n"
            # The first bytes carry the files.
            sent = await self._send_files(data, files) if files else 0
            await self._loop.sock_sendall(self._end, data[sent:])

    async def _send_files(self, data: bytes, files: Sequence[int]) -> int:
        while True:
            try:
                return socket.send_fds(self._end, [data], list(files))
            except BlockingIOError:
                await self._loop.sock_sendall(self._end, b"\n")  # waits until there is room

    def close(self) -> None:
        """Stop listening; the other side sees the end."""
        if self._end.fileno() >= 0:
            self._loop.remove_reader(self._end.fileno())
            self._end.close()

    def _read(self) -> None:
        try:
            piece, files, _, _ = socket.recv_fds(self._end, _PIECE, _FILES)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            piece, files = b"", []
        if piece:
            messages = self._buffer.feed(piece)
            for message in messages:
                self._on_message(message, files)
                files = []
        for file in files:
            os.close(file)  # nobody took them
        if not piece:
            self.close()
            self._on_end()
