"""
Commands that have imported what they need already, and are forked for each run.

Importing costs a small run most of its time, and tests of the fixture, of the commands and of the
documentation make hundreds. Each run is still a process of its own, with the arguments, the
environment, the directory and the open files of whoever asked, with the signals that it is sent
and with Python's exit. For a pytest, what it rewrites is left to it, all but the emulator, which is
marked as not to be rewritten. What an import reads from the environment (the SDK's configuration
file and its profile) is read here, where there is none: a test about that needs `python -m` as it
is.

Run as a program it is the server: `python warm.py SOCKET MODULE...`, until its standard input ends.
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
from dataclasses import dataclass
from pathlib import Path

WITHOUT_OTHERS = "-p no:hypothesispytest -p no:benchmark -p no:cov -p no:anyio -p no:rerunfailures"
"""For PYTEST_ADDOPTS: a user of the fixture has not installed all that these tests need."""

CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
    line.connect({path!r})
    first = {first}
    job = {{"arguments": sys.argv[1:], "environment": dict(os.environ), "first": first}}
    job.update(module={module!r}, directory=os.getcwd())
    job["deaf"] = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    socket.send_fds(line, [json.dumps(job).encode()], [0, 1, 2])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: line.send(b"%d" % number))
    code = line.recv(16)
if not code:
    sys.exit("what runs warm commands is gone")
if int(code) < 0:
    signal.signal(-int(code), signal.SIG_DFL)
    os.kill(os.getpid(), -int(code))
sys.exit(int(code))
"""
MOST = 1 << 18  # bytes of one job
PYTEST = (
    *("_pytest.python", "doctest", "pdb", "pytest", "sqlite3", "unittest"),
    *("aiohttp.web", "cronsim", "dateutil.parser", "grpclib.client", "grpclib.server"),
    *("immutables", "modal", "packaging.version"),
    *("modal_emulator.pytest_plugin.session", "modal_emulator.pytest_plugin.explored"),
)
COMMANDS = ("modal.cli.entry_point", "modal_emulator.cli.main", "modal_emulator.emulator")


@dataclass(frozen=True)
class Warm:
    """One command: its name, the module to run, and what `sys.path` begins with."""

    name: str
    module: str
    first: str


@contextlib.contextmanager
def warm_commands(directory: Path) -> Iterator[Path]:
    """Start the servers; yield a directory with the commands, to be put on PATH."""
    own = repr(str(Path(sys.executable).parent))
    pytests = (Warm("pytest", "pytest", own), Warm("python-m-pytest", "pytest", "os.getcwd()"))
    others = (Warm("modal", "modal", own), Warm("modal-emulator", "modal_emulator", own))
    with (
        warm_server(directory / "pytests", PYTEST) as for_pytests,
        warm_server(directory / "others", COMMANDS) as for_others,
    ):
        for path, commands in ((for_pytests, pytests), (for_others, others)):
            for each in commands:
                command = directory / each.name
                command.write_text(
                    CLIENT.format(
                        python=sys.executable, path=path, module=each.module, first=each.first
                    )
                )
                command.chmod(0o755)
        yield directory


@contextlib.contextmanager
def warm_server(path: Path, modules: tuple[str, ...]) -> Iterator[str]:
    """Start one server; yield the path of its socket."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
    server = subprocess.Popen(
        [sys.executable, __file__, str(path), *modules],
        env={**kept, "MODAL_CONFIG_PATH": os.devnull},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with server:
        assert server.stdin and server.stdout
        assert server.stdout.readline() == b"ready\n"
        yield str(path)
        server.stdin.close()


def become(job: dict, files: list[int]) -> None:
    """Be that command from here on."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    deaf = signal.SIG_IGN if job["deaf"] else signal.default_int_handler
    signal.signal(signal.SIGINT, deaf)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["directory"])
    if (stacks := sys.modules.get("modal_emulator.runtime.stacks")) is not None:
        stacks._NAMES.__init__()  # an import notes which directory the user is in
    own = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [job["first"], *own, *(path for path in sys.path[1:] if path not in inherited)]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.argv[1:] = job["arguments"]
    gc.enable()
    runpy.run_module(job["module"], run_name="__main__", alter_sys=True)


def end(pid: int) -> None:
    """Kill a run and what it started; one that was forked just now leads no group yet."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)  # nobody has waited for it, so it is still the same process


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
                if not data:  # who asked was killed before it could say what for
                    line.close()
                    continue
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
                if key.fileobj not in runs:
                    continue  # its run has ended in this very round
                number = key.fileobj.recv(16)
                if number:
                    os.kill(runs[key.fileobj], int(number))
                else:
                    end(runs[key.fileobj])
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
    for name in sys.argv[2:]:
        importlib.import_module(name)
    for name, module in sys.modules.items():
        if name.partition(".")[0] == "modal_emulator":  # pytest warns of what it cannot rewrite
            module.__doc__ = f"{module.__doc__}PYTEST_DONT_REWRITE"
    assert threading.active_count() == 1, "a fork would lose the other threads"
    gc.collect()
    gc.disable()
    gc.freeze()  # not copied to each run by its first collection
    serve(sys.argv[1])
