"""
The first process of a container.

Forked by the zygote, it makes the container's namespaces and mounts, forks the process for user
code, takes in orphans, and does what the server says until the user code ends or the server is
gone; then nothing of the container is left. In its own process namespace the kernel sees to
that; without one the warden does.
"""

import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime import kernel
from modal_emulator.runtime.backend import OpenFiles
from modal_emulator.runtime.binding import Ports
from modal_emulator.runtime.entry import Entry
from modal_emulator.runtime.errand import Errand, start
from modal_emulator.runtime.job import Isolation, Job, view_from_values
from modal_emulator.runtime.lines import Message, Peer
from modal_emulator.runtime.mounts import Mounts
from modal_emulator.runtime.outline import python_needs
from modal_emulator.runtime.overlay import Privilege
from modal_emulator.runtime.pausing import Pause
from modal_emulator.runtime.root import Root
from modal_emulator.runtime.seccomp import Filter
from modal_emulator.runtime.standing import Standing
from modal_emulator.runtime.watch import Watch

__all__ = ["begin"]


def begin(
    end: socket.socket, output: tuple[int, int], isolation: Isolation, standing: Standing
) -> Entry:
    """
    Turn a fresh fork of the zygote into a warden.

    Returns only in the container's main process, which still has to become that.
    """
    server = Peer(end)
    try:
        needs = python_needs()  # before the namespace: an ordinary user sees the same files
        if isolation is Isolation.PLAIN:
            _announce(server, os.getpid())
            if sys.platform == "linux":
                kernel.adopt_orphans()
        else:
            _separate(server, isolation)
        message = server.receive()
        if message is None:
            os._exit(0)
        job = Job.from_values(message["job"])
        warden = _Warden(server, job, _take_sight(server) if job.seen else None)
        warden.mount(needs)
        return warden.fork(output, standing)
    except Exception as error:
        _leave(server, {"failed": f"{type(error).__name__}: {error}"}, 1)


def _separate(server: Peer, isolation: Isolation) -> None:
    """Go on as process 1 of new namespaces; the process that made them tells the server."""
    flags = kernel.NEW_MOUNTS | kernel.NEW_PIDS
    if isolation is Isolation.USER:
        uid, gid = os.getuid(), os.getgid()
        kernel.unshare(flags | kernel.NEW_USER)
        kernel.become_root(uid, gid)
    else:
        kernel.unshare(flags)
    pid = os.fork()
    if pid:
        _announce(server, pid)
        os._exit(0)
    kernel.mount(None, "/", None, kernel.RECURSIVE | kernel.PRIVATE)


def _take_sight(server: Peer) -> tuple[int, int]:
    line, page = server.files
    server.files = []
    return line, page


def _announce(server: Peer, pid: int) -> None:
    files = [os.pidfd_open(pid)] if hasattr(os, "pidfd_open") else []
    server.send({"warden": pid}, files)


def _leave(server: Peer, message: Message, code: int) -> NoReturn:
    with suppress(OSError):
        server.send(message)
    os._exit(code)


class _Warden:
    """A container from the inside."""

    def __init__(self, server: Peer, job: Job, sight: tuple[int, int] | None) -> None:
        """`sight` is by which the main process tells of what it does with files; see `FarSight`."""
        self._sight = sight
        self._server = server
        self._job = job
        self._root: Root | None = None
        self._pause: Pause | None = None
        privilege = Privilege(root=job.isolation is Isolation.ROOT)
        self._mounts = Mounts(job.directory, privilege)
        self._privilege = privilege
        self._watch: Watch | None = None
        self._entry = 0
        self._errands: dict[int, int] = {}
        """The commands that run beside the main process: their numbers by process."""

    def mount(self, needs: tuple[str, ...]) -> None:
        """Make the root and show the volumes, where the kernel does that."""
        if self._job.isolation is Isolation.PLAIN:
            return
        self._root = Root(self._job, needs, self._privilege)
        self._root.build()
        self._pause = Pause(self._root.inside("/proc"))
        for mount in self._job.mounts:
            place = self._root.place_of(mount.volume_id)
            self._mounts.attach(mount.volume_id, mount.view, place)
        job, processes = self._job, str(self._root.inside("/proc"))
        ports = Ports(job.address, job.source_address) if job.address else None
        self._watch = Watch(processes, self._mounts, ports, self._sync)

    def fork(self, output: tuple[int, int], standing: Standing) -> Entry:  # noqa: RET503  (_serve never returns)
        """
        Make the main process, where this returns; the warden itself stays and watches.

        With a job that has none, it never returns.
        """
        woken, waker = os.pipe()
        for file in (woken, waker):
            os.set_blocking(file, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        # The main process unblocks it once it can act on it, so an early SIGINT is not lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        watched = self._filter() if not self._job.bare else None
        self._entry = os.fork() if not self._job.bare else -1
        if not self._entry:
            for file in (woken, waker):
                os.close(file)
            self._server.close()
            if self._watch is not None:
                self._watch.forget()
            root = self._root.path if self._root else None
            return Entry(self._job, root, output, standing, watched, self._sight)
        for file in (*output, *(self._sight or ())):
            os.close(file)
        if watched is not None:
            watched.end.close()
        self._server.send({"ready": max(0, self._entry)})
        self._serve(woken)

    def _filter(self) -> Filter | None:
        if self._watch is None:
            return None
        return self._watch.filter([mount.view for mount in self._job.mounts])

    def _serve(self, woken: int) -> NoReturn:
        watch = self._watch
        while True:
            files = [self._server.fileno(), woken, *(watch.files if watch else ())]
            writing = watch.writing_files if watch else ()
            at_once = 0 if watch and watch.is_counting else None
            ready, _, _ = select.select(files, writing, [], at_once)
            if woken in ready:
                with suppress(BlockingIOError):
                    os.read(woken, 4096)
                self._reap()
            if self._server.fileno() in ready:
                self._obey()
            if watch is not None:
                watch.serve()

    def _reap(self) -> None:
        """Bury whoever ended; with the main process the container ends."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid == self._entry:
                self._end({"exit": code})
            if (number := self._errands.pop(pid, None)) is not None:
                self._server.send({"finished": number, "code": code})

    def _end(self, last: Message) -> NoReturn:
        if self._job.isolation is Isolation.PLAIN:
            _end_descendants([pid for pid in (self._entry, *self._errands) if pid > 0])
        _leave(self._server, last, 0)

    def _obey(self) -> None:
        more = True
        while more:
            message = self._server.receive()
            if message is None or message["do"] == "kill":
                self._end({"exit": -signal.SIGKILL})
            answer: Message = {"done": message["do"]}
            try:
                answer |= self._commands[message["do"]](self, message) or {}
            except OpenFiles:
                answer["busy"] = True
            except Conflict as error:
                answer["refused"] = error.message
            except Exception as error:
                answer["failed"] = f"{type(error).__name__}: {error}"
            self._server.send(answer)
            more = self._server.has_more

    def _detach(self, message: Mapping[str, Any]) -> None:
        assert self._pause is not None  # the server asks wardens that mount
        volume_id = message["volume_id"]
        if message.get("pausing") and not self._pause.begin(volume_id):
            raise OpenFiles
        try:
            self._mounts.detach(volume_id)
        except BaseException:
            self._pause.end(volume_id)
            raise

    def _attach(self, message: Mapping[str, Any]) -> None:
        assert self._root is not None
        assert self._pause is not None
        volume_id = message["volume_id"]
        place = self._root.place_of(volume_id)
        try:
            self._mounts.attach(volume_id, view_from_values(message["view"]), place)
        finally:
            self._pause.end(volume_id)

    def _collect(self, message: Mapping[str, Any]) -> Message:
        return {"stored": self._watch.stored(message["volume_id"]) if self._watch else ()}

    def _execute(self, message: Mapping[str, Any]) -> None:
        files, self._server.files = self._server.files[:3], self._server.files[3:]
        root = self._root.path if self._root is not None else None
        watched = self._filter()
        try:
            errand = Errand.from_values(message["errand"])
            pid = start(errand, tuple(files), self._job, root, watched)
        finally:
            for file in files:
                os.close(file)
            if watched is not None:
                watched.end.close()
        self._errands[pid] = message["number"]

    def _signal(self, message: Mapping[str, Any]) -> None:
        for pid, number in self._errands.items():
            if number == message["number"]:
                with suppress(ProcessLookupError):
                    os.killpg(pid, message["signal"])  # each leads a group of its own

    def _terminate(self, _message: Mapping[str, Any]) -> None:
        if self._job.bare:
            self._end({"exit": -signal.SIGKILL})
        with suppress(ProcessLookupError):
            os.kill(self._entry, signal.SIGINT)

    def _sync(self, volume_id: str, id: int) -> None:
        self._server.send({"sync": volume_id, "call": id})

    def _synced(self, message: Mapping[str, Any]) -> None:
        assert self._watch is not None  # it asked
        self._watch.synced(message["call"], ok=message["ok"])

    _commands: Mapping[str, Callable[["_Warden", Mapping[str, Any]], Message | None]] = {
        "collect": _collect,
        "detach": _detach,
        "execute": _execute,
        "signal": _signal,
        "attach": _attach,
        "synced": _synced,
        "terminate": _terminate,
    }


def _end_descendants(leaders: Iterable[int]) -> None:
    """Kill everything below this process, also what detached itself from its parent."""
    me = os.getpid()
    children = Path(f"/proc/{me}/task/{me}/children")
    while True:
        try:
            pids = [int(pid) for pid in children.read_text().split()]
        except OSError:  # no such list here (macOS): the groups that were begun are what we know
            pids = []
            for leader in leaders:
                with suppress(OSError):
                    os.killpg(leader, signal.SIGKILL)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
