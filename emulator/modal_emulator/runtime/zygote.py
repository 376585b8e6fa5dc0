"""
The process that containers are forked from.

Run as `python -u -m modal_emulator.runtime.zygote FD MODULE`: imports the SDK's entrypoint once,
then forks for each request on the socket FD. It has one thread, nothing of the user's, and ends
when the server is gone.
"""

import gc
import importlib
import os
import signal
import socket
import sys
from contextlib import suppress

from modal_emulator.runtime import kernel
from modal_emulator.runtime.entry import Entry
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.lines import Peer
from modal_emulator.runtime.standing import Standing
from modal_emulator.runtime.warden import begin

__all__ = ["main"]


def main(file: int, module: str) -> None:
    """Serve until the server is gone; in a container's main process, be that."""
    _forget_working_directory()
    _preload(module)
    standing = Standing()
    gc.collect()
    gc.freeze()  # forks then share these pages for as long as nobody writes there
    if sys.platform == "linux":
        kernel.adopt_orphans()
    # Wardens are nobody's to wait for: the server watches them itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    entry = _serve(Peer(socket.socket(fileno=file)), standing)
    if entry is not None:
        entry.run()


def _forget_working_directory() -> None:
    # `python -m` puts it first; in a container that place is /root's.
    if sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109
        del sys.path[0]


def _preload(module: str) -> None:
    importlib.import_module(module)
    # The container runs it as `__main__`, and runpy warns about a module imported before.
    package, _, name = module.rpartition(".")
    del sys.modules[module]
    if package:
        delattr(sys.modules[package], name)


def _serve(server: Peer, standing: Standing) -> Entry | None:
    server.send({"ready": os.getpid()})
    while True:
        message = server.receive()
        if message is None:
            return None
        if "preload" in message:
            # Without it a container imports it by itself, and fails by itself.
            with suppress(ImportError):
                importlib.import_module(message["preload"])
            gc.freeze()
            server.send({"preloaded": True})
            continue
        (end, *output), server.files = server.files[:3], server.files[3:]
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            isolation = Isolation(message["isolation"])
            line = socket.socket(fileno=end)
            return begin(line, (output[0], output[1]), isolation, standing)
        for file in (end, *output):
            os.close(file)
        server.send({"forked": True})


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
