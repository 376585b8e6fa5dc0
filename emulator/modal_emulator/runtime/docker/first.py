"""
The first process of a container of Docker's.

It runs on the image's Python, so it needs only what of this package needs no other. It meets the
server on a socket of the container's own, forks the process for user code, takes in orphans, and
does what the server says until the user code ends or the server is gone; with it the container
ends.
"""

import errno
import os
import runpy
import select
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from modal_emulator.ground.clock import adopt_time_zone
from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime.becoming import restore_signals, show_time
from modal_emulator.runtime.docker.inside import (
    ARGUMENTS,
    FILES,
    HOME,
    LINE,
    NAPS,
    SERVER,
    TOP,
    place_of,
)
from modal_emulator.runtime.holders import is_held_by
from modal_emulator.runtime.lines import Message, Peer
from modal_emulator.runtime.ports import show_eth0

if TYPE_CHECKING:
    from modal_emulator.runtime.docker.covering import Covered

__all__ = ["main"]


def main() -> None:
    """Be the first process; returns, or raises, in the main one when user code is done."""
    meeting = socket.socket(socket.AF_UNIX)
    meeting.connect(LINE)
    _, (end, *output), _, _ = socket.recv_fds(meeting, 1, 3)
    meeting.close()
    server = Peer(socket.socket(fileno=end))
    first = _First(server)
    try:
        server.send({"warden": os.getpid()}, [os.pidfd_open(os.getpid())])
        message = server.receive()
        if message is None:
            os._exit(0)
        job = message["job"]
        sight, server.files = server.files, []
        covered = first.covered = _covered() if job["keeps"] else None
        _lay_out(job, covered)
        first.fork(job, [*output, *sight])
    except Exception as error:
        first.leave({"failed": f"{type(error).__name__}: {error}"}, 1)
    _become(job, output, sight)


def _covered() -> "Covered":
    # Only where files are kept: nobody else needs to read archives.
    from modal_emulator.runtime.docker.covering import Covered

    return Covered()


def _lay_out(job: Mapping[str, Any], covered: "Covered | None") -> None:
    """Bring local code, and make the user's paths lead to the volumes."""
    for number in reversed(range(len(job["files"]))):  # the first one is on top
        _copy(f"{FILES}/{number}", covered)
    paths = {path for _, path, _ in job["mounts"]}
    for volume_id, path, view in job["mounts"]:
        if not paths.isdisjoint(map(str, Path(path).parents)):
            # What Modal does is unknown (modal-semantics 1.7), so nothing is shown in its place.
            raise ValueError(f"{path} lies in another volume's mount path")
        own, seen = place_of(volume_id), place_of(volume_id, read_only=view["read_only"])
        if own != seen:
            os.symlink(seen, own)  # noqa: PTH211
        if covered is not None:
            covered.cover(Path(path))
        _clear(Path(path))
        os.symlink(own, path)  # noqa: PTH211


def _copy(tree: str, covered: "Covered | None") -> None:
    """Lay a tree over `/`; directories that are there stay as they are."""
    for place, directories, files in os.walk(tree):
        target = place[len(tree) :] or "/"
        for name in directories:
            path = os.path.join(target, name)  # noqa: PTH118
            if covered is not None:
                covered.make(Path(path))
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
        for name in files:
            path = os.path.join(target, name)  # noqa: PTH118
            if covered is not None:
                covered.cover(Path(path))
            with suppress(FileNotFoundError):  # what is there may be a link to somewhere else
                os.unlink(path)  # noqa: PTH108
            shutil.copy2(os.path.join(place, name), path, follow_symlinks=False)  # noqa: PTH118


def _clear(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)


def _give_back() -> None:
    """Let the server read and remove what was written as root, if it is somebody else."""
    owner = os.stat(TOP)  # noqa: PTH116
    if owner.st_uid == os.getuid():
        return
    for place, directories, files in os.walk(f"{TOP}/volumes"):
        for name in (*directories, *files):
            path = os.path.join(place, name)  # noqa: PTH118
            with suppress(OSError):
                os.lchown(path, owner.st_uid, owner.st_gid)
        for name in directories:
            with suppress(OSError):
                directory = Path(place, name)
                if not directory.is_symlink():
                    directory.chmod(directory.stat().st_mode | stat.S_IRWXU)


def _become(job: Mapping[str, Any], output: list[int], sight: list[int]) -> None:
    """Become the container's main process; by `sight` it tells of what it does with files."""
    os.setsid()
    restore_signals()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in enumerate((nothing, *output)):
        os.dup2(source, target)
        os.close(source)
    if job["clock_page"]:
        show_time(Path(job["clock_page"]), Path(NAPS))
    _set_environment(
        {
            **job["environment"],
            "MODAL_CONTAINER_ARGUMENTS_PATH": ARGUMENTS,
            "MODAL_IS_REMOTE": "1",
            "MODAL_SERVER_URL": f"unix://{SERVER}",
        }
    )
    os.umask(0o022)
    os.makedirs(job["working_directory"], exist_ok=True)  # noqa: PTH103
    os.chdir(job["working_directory"])
    _forbid_links([place_of(id_) for id_, _, view in job["mounts"] if view["version"] == 1])
    _tell(job, sight)
    show_eth0(lambda: job["address"] or None)
    sys.argv[1:] = []
    runpy.run_module(job["entrypoint"], run_name="__main__", alter_sys=True)


def _tell(job: Mapping[str, Any], sight: list[int]) -> None:
    """Tell from which lines it calls, and of what it does with files if anybody sees that."""
    # Only here: a container without a main process needs none of these rooms.
    from modal_emulator.runtime.telling import tell_lines

    tell_lines()
    if sight:
        from modal_emulator.runtime.job import Job
        from modal_emulator.runtime.sight_line import FarSight
        from modal_emulator.runtime.standing import Standing
        from modal_emulator.runtime.watcher import Watcher

        Standing().tell(Watcher(Job.from_values(job).mounts, FarSight(*sight)))


def _forbid_links(places: list[str]) -> None:
    """Refuse to Python's own function what volumes of version 1 refuse."""
    original = os.link

    @wraps(original)
    def link(
        src: Any,
        dst: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        start = "" if dst_dir_fd is None else f"/proc/self/fd/{dst_dir_fd}"
        directory = os.path.dirname(os.path.join(start, os.fsdecode(dst)))  # noqa: PTH118, PTH120
        inside = f"{os.path.realpath(directory)}/"
        if any(inside.startswith(f"{place}/") for place in places):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), src, None, dst)
        original(
            src,
            dst,
            src_dir_fd=src_dir_fd,
            dst_dir_fd=dst_dir_fd,
            follow_symlinks=follow_symlinks,
        )

    os.link = link


def _set_environment(environment: Mapping[str, str]) -> None:
    """Do what an interpreter started with this environment would have done."""
    os.environ.clear()
    os.environ.update(environment)
    adopt_time_zone()
    wanted = [HOME, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    wanted = list(dict.fromkeys(wanted))
    sys.path[:] = [*wanted, *(path for path in sys.path[1:] if path not in wanted)]
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))


class _First:
    """A container from the inside."""

    def __init__(self, server: Peer) -> None:
        self._server = server
        self._job: Mapping[str, Any] = {}
        self._main = 0
        self._errands: dict[int, int] = {}
        """The commands that run beside the main process: their numbers by process."""
        self.covered: Covered | None = None
        """What is to be brought back before the container ends, if its files are kept."""

    def fork(self, job: Mapping[str, Any], files: list[int]) -> None:
        """
        Make the main process, where this returns; the first one stays and watches.

        The files are for the main process alone.

        With a job that has none, it never returns.
        """
        self._job = job
        woken, waker = os.pipe()
        for file in (woken, waker):
            os.set_blocking(file, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        # The main process unblocks it once it can act on it, so an early SIGINT is not lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._main = -1 if job["bare"] else os.fork()
        if self._main:
            for file in files:
                os.close(file)
            self._server.send({"ready": max(0, self._main)})
            self._serve(woken)
        for file in (woken, waker):
            os.close(file)
        self._server.close()

    def leave(self, message: Message, code: int) -> NoReturn:
        """End the container; where this is process 1 the kernel ends all others."""
        _give_back()
        if os.getpid() != 1:
            with suppress(OSError):
                os.kill(-1, signal.SIGKILL)
        with suppress(OSError):
            self._server.send(message)
        os._exit(code)

    def _serve(self, woken: int) -> NoReturn:
        while True:
            ready, _, _ = select.select([self._server.fileno(), woken], [], [])
            if woken in ready:
                with suppress(BlockingIOError):
                    os.read(woken, 4096)
                self._reap()
            if self._server.fileno() in ready:
                self._obey()

    def _reap(self) -> None:
        """Bury whoever ended; with the main process the container ends."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(ended[1])
                if ended[0] == self._main:
                    self.leave(self._tidied({"exit": code}), 0)
                if (number := self._errands.pop(ended[0], None)) is not None:
                    self._server.send({"finished": number, "code": code})

    def _tidied(self, message: Message) -> Message:
        """End all others and leave the files as the image's own, if they are kept."""
        if self.covered is None:
            return message
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        try:
            self.covered.uncover()
        except OSError as error:
            return {"failed": f"{type(error).__name__}: {error}"}
        return message

    def _obey(self) -> None:
        more = True
        while more:
            message = self._server.receive()
            if message is None or message["do"] == "kill":
                self.leave({"exit": -signal.SIGKILL}, 0)
            answer: Message = {"done": message["do"]}
            try:
                answer |= self._commands[message["do"]](self, message) or {}
            except Conflict as error:
                answer["refused"] = error.message
            except Exception as error:
                answer["failed"] = f"{type(error).__name__}: {error}"
            self._server.send(answer)
            more = self._server.has_more

    def _held(self, message: Mapping[str, Any]) -> Message:
        """Say whether any process of the container holds a directory of the server's."""
        place = Path(message["path"])
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
        return {"held": any(is_held_by(place, pid) for pid in pids if pid != os.getpid())}

    def _execute(self, message: Mapping[str, Any]) -> None:
        # Only where it is wanted: these rooms are not needed to begin, and take a while to read.
        from modal_emulator.runtime.errand import Errand, start
        from modal_emulator.runtime.job import Job

        files, self._server.files = self._server.files[:3], self._server.files[3:]
        try:
            errand, job = Errand.from_values(message["errand"]), Job.from_values(self._job)
            pid = start(errand, tuple(files), job, Path("/"), None)
        finally:
            for file in files:
                os.close(file)
        self._errands[pid] = message["number"]

    def _signal(self, message: Mapping[str, Any]) -> None:
        for pid, number in self._errands.items():
            if number == message["number"]:
                with suppress(ProcessLookupError):
                    os.killpg(pid, message["signal"])  # each leads a group of its own

    def _own(self, _message: Mapping[str, Any]) -> None:
        _give_back()

    def _terminate(self, _message: Mapping[str, Any]) -> None:
        if self._job["bare"]:
            self.leave({"exit": -signal.SIGKILL}, 0)
        with suppress(ProcessLookupError):
            os.kill(self._main, signal.SIGINT)

    _commands: Mapping[str, Callable[["_First", Mapping[str, Any]], Message | None]] = {
        "execute": _execute,
        "held": _held,
        "own": _own,
        "signal": _signal,
        "terminate": _terminate,
    }
