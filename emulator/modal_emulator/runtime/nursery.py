"""
The server's hold on its zygote.

Starts it when first needed, asks it for forks, and starts another one should it die. Containers
are tied to the server and not to the zygote, so they outlive it.
"""

import asyncio
import os
import site
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.lines import Line, Message

__all__ = ["Nursery"]

# What the interpreter itself reads; all else a container gets from its plan.
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV")
_SET = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PYTHONIOENCODING": "utf-8",
    # The SDK looks when it is imported: with this it reads no ~/.modal.toml.
    "MODAL_IS_REMOTE": "1",
}


class Nursery:
    """Starts forks of one zygote."""

    def __init__(self, module: str, environ: Mapping[str, str]) -> None:
        self._module = module
        self._environment = {k: environ[k] for k in _KEPT if k in environ} | _SET
        if site.ENABLE_USER_SITE:
            # Packages installed with `pip install --user` are found from the home directory.
            self._environment["PYTHONUSERBASE"] = site.getuserbase()
        # An empty or relative entry means another place in the zygote's working directory.
        found = filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))
        self._environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, found))
        self._line: Line | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._done: asyncio.Future[None] | None = None
        self._preloaded: set[str] = set()
        self._starting, self._asking = asyncio.Lock(), asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The zygote's process id, while it runs."""
        return self._process.pid if self._process and self._line else None

    async def warm(self) -> None:
        """Return when the zygote is ready to fork."""
        async with self._starting:
            if self._line is None:
                await self._start()
        assert self._ready is not None
        await asyncio.shield(self._ready)

    async def spawn(self, isolation: Isolation, files: Sequence[int]) -> None:
        """
        Fork a warden with these open files: its line to the server and two outputs.

        Raises:
            ConnectionError: the zygote died; whether it forked before is not known.
            EmulatorError: none can be started.
        """
        await self.warm()
        async with self._asking:
            await self._ask({"isolation": isolation.value}, files)

    async def preload(self, module: str) -> None:
        """
        Have the zygote import a module of the SDK, so that later forks need not.

        Raises:
            ConnectionError: the zygote died.
            EmulatorError: none can be started.
        """
        await self.warm()
        async with self._asking:
            if module not in self._preloaded:
                await self._ask({"preload": module}, ())
                self._preloaded.add(module)

    async def close(self) -> None:
        """End the zygote; containers are not touched."""
        async with self._starting:
            if self._line is not None:
                self._line.close()
                self._line = None
            if self._process is not None:
                await asyncio.to_thread(self._process.wait)
                self._process = None

    async def _ask(self, message: Message, files: Sequence[int]) -> None:
        if self._line is None:
            raise ConnectionResetError("the zygote ended")
        self._done = done = asyncio.get_running_loop().create_future()
        try:
            await self._line.send(message, files)
        except ConnectionError:
            # It died just now; the next attempt must not find this line again.
            self._line.close()
            self._on_end()
        await done

    async def _start(self) -> None:
        self._preloaded.clear()
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-u", "-m", "modal_emulator.runtime.zygote"]
            self._process = subprocess.Popen(  # noqa: ASYNC220  (a quick vfork)
                [*command, str(theirs.fileno()), self._module],
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a ctrl-C in the terminal is for the server alone
            )
        self._ready = asyncio.get_running_loop().create_future()
        self._line = Line(ours, self._on_message, self._on_end)

    def _on_message(self, message: Message, files: Sequence[int]) -> None:
        for file in files:
            os.close(file)
        waiting = self._ready if "ready" in message else self._done
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _on_end(self) -> None:
        self._line = None
        if self._ready is not None and not self._ready.done():
            text = "the process that containers are forked from could not start; see stderr"
            self._ready.set_exception(EmulatorError(text))
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionResetError("the zygote ended"))
