"""
A pytest that has imported the SDK already, and is forked for each run.

Importing costs a run of one small test most of its time, and tests of the fixture and of the
documentation make dozens. Each run is still a process of its own, with the arguments, the
environment, the directory and the open files of whoever asked, and with Python's exit; only
third-party modules are there before it begins, none of the emulator's. What an import reads from
the environment (the SDK's configuration file and its profile) is read here, where there is none:
a test about that needs `python -m pytest` as it is.

Run as a program it is the server: `python warm.py SOCKET`, until its standard input ends.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

WITHOUT_OTHERS = "-p no:hypothesispytest -p no:benchmark -p no:cov -p no:anyio"
"""For PYTEST_ADDOPTS: a user of the fixture has not installed all that these tests need."""

CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
    line.connect({path!r})
    first = {first}
    job = {{"arguments": sys.argv[1:], "environment": dict(os.environ), "first": first}}
    socket.send_fds(line, [json.dumps({{**job, "directory": os.getcwd()}}).encode()], [0, 1, 2])
    code = line.recv(16)
sys.exit(int(code) if code else "the warm pytest is gone")
"""
MOST = 1 << 18  # bytes of one job
IMPORTED = (
    *("_pytest.python", "doctest", "pdb", "pytest", "sqlite3", "unittest"),
    *("aiohttp.web", "cronsim", "dateutil.parser", "grpclib.client", "grpclib.server"),
    *("immutables", "modal", "packaging.version"),
)


@contextlib.contextmanager
def warm_pytest(directory: Path) -> Iterator[Path]:
    """Start the server; yield a directory with the commands `pytest` and `python-m-pytest`."""
    path = str(directory / "socket")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    server = subprocess.Popen(
        [sys.executable, __file__, path],
        env={**kept, "MODAL_CONFIG_PATH": os.devnull},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with server:
        assert server.stdin and server.stdout
        assert server.stdout.readline() == b"ready\n"
        bin_directory = repr(str(Path(sys.executable).parent))
        for name, first in (("pytest", bin_directory), ("python-m-pytest", "os.getcwd()")):
            command = directory / name
            command.write_text(CLIENT.format(python=sys.executable, path=path, first=first))
            command.chmod(0o755)
        yield directory
        server.stdin.close()


def become(job: dict, files: list[int]) -> None:
    """Be pytest from here on."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["directory"])
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [job["first"], *own, *(path for path in sys.path[1:] if path not in inherited)]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.argv[1:] = job["arguments"]
    gc.enable()
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


def serve(path: str) -> None:
    """Fork for each connection; who hangs up before the end ends the run."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.bind(path)
    door.listen()
    runs: dict[socket.socket, int] = {}
    ready = selectors.DefaultSelector()
    ready.register(door, selectors.EVENT_READ)
    ready.register(0, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            if key.fileobj == 0:
                return
            if key.fileobj is door:
                line, _ = door.accept()
                data, files, _, _ = socket.recv_fds(line, MOST, 3)
                pid = os.fork()
                if pid == 0:
                    become(json.loads(data), files)
                    return
                for file in files:
                    os.close(file)
                runs[line] = pid
                ready.register(line, selectors.EVENT_READ)
                ready.register(os.pidfd_open(pid), selectors.EVENT_READ, line)
            elif key.data is None:
                os.killpg(runs[key.fileobj], signal.SIGKILL)
                ready.unregister(key.fileobj)
            else:
                ready.unregister(key.fileobj)
                os.close(key.fileobj)
                _, status = os.waitpid(runs.pop(key.data), 0)
                with contextlib.suppress(BrokenPipeError):
                    key.data.send(b"%d" % os.waitstatus_to_exitcode(status))
                with contextlib.suppress(KeyError):
                    ready.unregister(key.data)
                key.data.close()


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork would lose the other threads"
    gc.collect()
    gc.disable()
    gc.freeze()  # not copied to each run by its first collection
    serve(sys.argv[1])
