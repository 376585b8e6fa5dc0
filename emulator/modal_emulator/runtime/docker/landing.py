"""
How a new container of Docker's and the server meet.

The container's first process calls on a socket in the directory that it is shown, and is handed its
line to the server and the pipes for what is printed. Whatever comes by Docker before that is why it
could not.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.docker.daemon import Daemon
from modal_emulator.runtime.docker.inside import LINE
from modal_emulator.runtime.job import Isolation

__all__ = ["Landing"]

_WORDS = 4000


class Landing:
    """The start of one container."""

    def __init__(self, top: Path, make: Callable[[], Any], daemon: Daemon) -> None:
        """`make` makes the container, on a thread; nothing happens yet."""
        self._path = top / Path(LINE).name
        self._make = make
        self._daemon = daemon
        self._container: Any = None

    async def spawn(self, isolation: Isolation, files: Sequence[int]) -> None:
        """
        Start the container and give its first process these open files.

        Raises:
            EmulatorError: it did not come to that; the text has what it said.
        """
        assert isolation is Isolation.ROOT
        listener = _listen(self._path)
        try:
            output = await asyncio.to_thread(self._start)
            loop = asyncio.get_running_loop()
            ended: asyncio.Future[bytes] = loop.create_future()
            Thread(target=_hear, args=(output, loop, ended), daemon=True).start()
            met = asyncio.ensure_future(loop.sock_accept(listener))
            await asyncio.wait((met, ended), return_when=asyncio.FIRST_COMPLETED)
            if not met.done():
                met.cancel()
                raise EmulatorError(_why(ended.result()))
            with met.result()[0] as meeting:
                socket.send_fds(meeting, [b"\n"], list(files))
        finally:
            listener.close()

    @property
    def container(self) -> Any:
        """What Docker's library knows it as; it must have been made."""
        return self._container

    def remove(self) -> None:
        """On a thread: have nothing left of the container."""
        if self._container is not None:
            self._daemon.remove(self._container)

    def _start(self) -> Any:
        self._container = self._make()
        output = self._daemon.ask(self._container.attach, stream=True, logs=False)
        self._daemon.ask(self._container.start)
        return output


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    # A socket's name has 108 bytes at most, and the directory's may be longer.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
    listener.listen(1)
    listener.setblocking(False)
    return listener


def _hear(output: Any, loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[bytes]") -> None:
    """Read what the container says by Docker until it ends, and say so if somebody waits."""
    words = b""
    for piece in output:
        words = (words + piece)[-_WORDS:]
    try:
        loop.call_soon_threadsafe(lambda: None if ended.done() else ended.set_result(words))
    except RuntimeError:
        return  # the loop is closed: the server has gone


def _why(words: bytes) -> str:
    said = words.decode("utf-8", "replace").strip()
    return f"the container ended before it began to work: {said or 'it said nothing'}"
