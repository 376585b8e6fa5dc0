"""
What containers ask of the kernel on a volume and Modal's volumes answer differently.

Runs in a warden, between its other duties: never waits, and lets the kernel go on whenever
something cannot be found out. No means of safety: a process that wants to can slip through.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from modal_emulator.runtime.allowance import Allowance
from modal_emulator.runtime.backend import View
from modal_emulator.runtime.binding import Ports, decide
from modal_emulator.runtime.callers import Caller, Place
from modal_emulator.runtime.calls import CALLS, OPENING, Call, Kind, table_here
from modal_emulator.runtime.mounts import Mounts, Shown
from modal_emulator.runtime.seccomp import Filter, Listener, Request
from modal_emulator.runtime.stores import Stores

__all__ = ["Watch"]

_EXCHANGE = 1 << 1  # renameat2(2)
_FOLLOW, _EMPTY_PATH = 0x400, 0x1000  # linkat(2)
_NO_LINKS = os.O_EXCL | os.O_NOFOLLOW


class Watch:
    """Answers the calls of one container."""

    def __init__(
        self,
        processes: str,
        mounts: Mounts,
        ports: Ports | None,
        sync: Callable[[str, int], None],
    ) -> None:
        """
        Look at callers below `processes`, their own /proc.

        `sync` is called with a volume and an id; some time later `synced` follows.
        """
        self._processes = processes
        self._mounts = mounts
        self._ports = ports
        self._sync = sync
        self._table = table_here()
        self._stores = Stores(processes)
        self._making: frozenset[int] = frozenset()
        self._allowances: dict[str, tuple[Shown, Allowance]] = {}
        self._ends: list[socket.socket] = []
        """Where those who were given a filter and have not installed it yet will say so."""
        self._listeners: list[Listener] = []
        self._syncing: dict[int, Listener] = {}

    def filter(self, views: Iterable[View]) -> Filter | None:
        """
        Return what the main process has to install, None when there is nothing to watch.

        So has each program that is not started by the main process or what it started.
        """
        kinds = _kinds([view for view in views if not view.read_only])
        if self._ports is not None:
            kinds |= {Kind.BIND, Kind.CONNECT}
        if self._table is None or not kinds or not self._has_own_processes():
            return None
        ours, theirs = socket.socketpair()
        self._ends.append(ours)
        names = self._table.of_kinds(kinds)
        self._making = frozenset(self._table.numbers[name] for name in names)
        return Filter(self._table, names, theirs)

    def forget(self) -> None:
        """In the main process: to watch is another's part."""
        for end in self._ends:
            end.close()

    @property
    def files(self) -> tuple[int, ...]:
        """What to select for reading before `serve`."""
        ends = [end.fileno() for end in self._ends]
        return (*ends, *(listener.fileno() for listener in self._listeners))

    @property
    def writing_files(self) -> tuple[int, ...]:
        """What to select for writing before `serve`."""
        return self._ports.files if self._ports is not None else ()

    @property
    def is_counting(self) -> bool:
        """Tell whether `serve` has something to do in any case."""
        return any(allowance.is_counting for _, allowance in self._allowances.values())

    def serve(self) -> None:
        """Answer what can be answered now."""
        for end in tuple(self._ends):
            self._meet(end)
        for listener in tuple(self._listeners):
            self._receive(listener)
        if self._ports is not None:
            self._ports.serve()
        for volume_id, (shown, allowance) in tuple(self._allowances.items()):
            if all(shown is not each for each in self._mounts.shown):
                del self._allowances[volume_id]
                allowance.forsake()
            elif allowance.is_counting:
                allowance.step()

    def stored(self, volume_id: str) -> tuple[int, ...]:
        """Return the files of a volume that may have been stored into through memory."""
        return self._stores.take(volume_id, self._mounts.shown)

    def synced(self, id: int, *, ok: bool) -> None:
        """What `sync` asked for is done, or failed."""
        listener = self._syncing.pop(id, None)
        if listener is not None and listener in self._listeners:  # else nobody is left who asked
            listener.answer(id, 0 if ok else errno.EIO)

    def _meet(self, end: socket.socket) -> None:
        """Take the listener when the process has it, or learn that there is none."""
        try:
            _, files, _, _ = socket.recv_fds(end, 1, 1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        end.close()
        self._ends.remove(end)
        self._listeners += map(Listener, files)

    def _receive(self, listener: Listener) -> None:
        try:
            request = listener.receive()
        except EOFError:
            listener.close()
            self._listeners.remove(listener)
            return
        if request is None:
            return
        try:
            is_answered = self._decide(listener, request)
        except Exception:
            is_answered = False
        if not is_answered:
            listener.let(request.id)

    def _decide(self, listener: Listener, request: Request) -> bool:
        """Answer, or see to it that somebody does; False when the kernel is to go on."""
        name = self._table.name(request.number) if self._table else None
        if name is None or not request.thread:
            return False
        for _, allowance in self._allowances.values():
            allowance.returned(request.thread)
        case = _Case(listener, request, Caller(self._processes, request.thread), name, CALLS[name])
        return self._decisions[case.call.kind](self, case)

    def _decide_sync(self, case: "_Case") -> bool:
        path = case.caller.opened(case.request.arguments[0])
        for shown in self._mounts.shown:
            if path == shown.path and shown.view.version == 2 and not shown.view.read_only:
                self._syncing[case.request.id] = case.listener
                self._sync(shown.volume_id, case.request.id)
                return True
        return False

    def _decide_flush(self, case: "_Case") -> bool:
        """Stamp the file, as POSIX asks: on a tmpfs the kernel does not, and no commit sees it."""
        path = case.caller.mapped(case.request.arguments[0])
        for shown in self._mounts.shown:
            if path and path.startswith(f"{shown.path}/") and not shown.view.read_only:
                os.utime(path)
        return False

    def _decide_map(self, case: "_Case") -> bool:
        path = case.caller.opened(case.request.arguments[4])
        for shown in self._mounts.shown:
            if path.startswith(f"{shown.path}/") and not shown.view.read_only:
                self._stores.note(shown, path)
        return False

    def _decide_link(self, case: "_Case") -> bool:
        place = case.place(follow=False)
        shown = self._volume_at(place)
        if place is None or shown is None or shown.view.version != 1:
            return self._decide_new(case, place)
        # All that is wrong with the call besides, the kernel says by itself.
        if place.exists or not case.is_within(place):
            return False
        return case.fail(errno.EPERM)

    def _decide_make(self, case: "_Case") -> bool:
        flags = case.flags
        if case.name in OPENING and not flags & os.O_CREAT:
            return False
        follows = case.name in OPENING or case.name == "creat"
        return self._decide_new(case, case.place(follow=follows and not flags & _NO_LINKS))

    def _decide_move(self, case: "_Case") -> bool:
        old, new = case.old_place(), case.place(follow=False)
        if old is None or new is None or case.flags & _EXCHANGE:
            return False
        adds = (old.device, old.directory) != (new.device, new.directory)
        return adds and old.device == new.device and self._decide_new(case, new)

    def _decide_socket(self, case: "_Case") -> bool:
        kind, ports = case.call.kind, self._ports
        return ports is not None and decide(ports, kind, case.listener, case.request, case.caller)

    def _decide_new(self, case: "_Case", place: Place | None) -> bool:
        """Let it be made while there is room."""
        shown = self._volume_at(place)
        if shown is None or shown.view.bound is None or place is None or place.exists:
            return False
        known = self._allowances.get(shown.volume_id)
        if known is None or known[0] is not shown:
            if known is not None:
                known[1].forsake()
            whole = str(shown.targets[-1])
            known = (shown, Allowance(shown.view.bound, whole, self._is_making))
            self._allowances[shown.volume_id] = known
        known[1].ask(place, case.request.thread, case.settle)
        return True

    def _volume_at(self, place: Place | None) -> Shown | None:
        if place is None:
            return None
        volumes = (shown for shown in self._mounts.shown if shown.device == place.device)
        return next((shown for shown in volumes if not shown.view.read_only), None)

    def _is_making(self, thread: int) -> bool:
        return Caller(self._processes, thread).is_calling(self._making)

    def _has_own_processes(self) -> bool:
        """Tell whether threads have there the ids that the kernel reports."""
        with suppress(OSError):
            return os.readlink(f"{self._processes}/self") == str(os.getpid())  # noqa: PTH115
        return False

    _decisions: Mapping[Kind, Callable[["Watch", "_Case"], bool]] = {
        Kind.LINK: _decide_link,
        Kind.SYNC: _decide_sync,
        Kind.FLUSH: _decide_flush,
        Kind.MAP: _decide_map,
        Kind.MAKE: _decide_make,
        Kind.MOVE: _decide_move,
        Kind.BIND: _decide_socket,
        Kind.CONNECT: _decide_socket,
    }


@dataclass(frozen=True, slots=True)
class _Case:
    """One call to decide on."""

    listener: Listener
    request: Request
    caller: Caller
    name: str
    call: Call

    @property
    def flags(self) -> int:
        """The flags, 0 for a call that has none."""
        arguments = self.request.arguments
        if self.call.how is not None:
            return self.caller.word(arguments[self.call.how])
        return 0 if self.call.flags is None else arguments[self.call.flags]

    def place(self, *, follow: bool) -> Place | None:
        """Return where the new name would be."""
        return self._place(self.call.directory, self.call.path, follow=follow)

    def old_place(self) -> Place | None:
        """Return where the name is that the call starts from."""
        assert self.call.old_path is not None  # calls that move or link have one
        return self._place(self.call.old_directory, self.call.old_path, follow=False)

    def is_within(self, place: Place) -> bool:
        """Tell whether a link made from what is there would stay on its file system."""
        if self.flags & (_FOLLOW | _EMPTY_PATH):
            return True  # from an open file, by its number or its name in /proc
        old = self.old_place()
        return old is not None and old.exists and old.device == place.device

    def fail(self, error: int) -> bool:
        """Have the call fail; what was read must have been the caller's own."""
        if self.listener.is_waiting(self.request.id):
            self.listener.answer(self.request.id, error)
        return True

    def settle(self, *, has_room: bool) -> None:
        """Let the name be made, or say that the volume is full."""
        if has_room:
            self.listener.let(self.request.id)
        else:
            self.listener.answer(self.request.id, errno.ENOSPC)

    def _place(self, directory: int | None, path: int, *, follow: bool) -> Place | None:
        arguments = self.request.arguments
        start = None if directory is None else arguments[directory]
        return self.caller.locate(start, self.caller.text(arguments[path]), follow=follow)


def _kinds(views: Sequence[View]) -> set[Kind]:
    """Return what has to be watched for these volumes; every call costs, so no more than that."""
    kinds: set[Kind] = set()
    for view in views:
        kinds |= {Kind.FLUSH, Kind.MAP}
        kinds.add(Kind.LINK if view.version == 1 else Kind.SYNC)
        if view.bound is not None:
            kinds |= {Kind.LINK, Kind.MAKE}
        if view.bound is not None and view.bound.per_directory:
            kinds.add(Kind.MOVE)
    return kinds
