"""
What binding and connecting mean in a container that has addresses of its own.

The container shares the machine's network. What it binds to all interfaces is bound to its own
address instead, what it binds to loopback to another of its own; a connection to loopback goes
there when it listens, and to the machine when it does not. With a proxy, what leaves for the
machine leaves from the proxy's address. Only the TCP of all this has ports of its own.

Never waits; what cannot be found out, and everything else, is the kernel's.
"""

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from modal_emulator.runtime.addresses import MACHINE, Addresses
from modal_emulator.runtime.callers import Caller
from modal_emulator.runtime.calls import Kind
from modal_emulator.runtime.endpoints import LONGEST, Endpoint
from modal_emulator.runtime.seccomp import Listener, Request

__all__ = ["Answer", "Ports", "decide"]

_BIND_ADDRESS_NO_PORT = 24  # <linux/in.h>; Python names it since 3.12 or so
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY})

Answer = Callable[[int], None]
"""Ends the call: with 0, or with the number of an error."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A connection that is being made for a process that waits for it."""

    socket: socket.socket
    target: tuple[str, int]
    answer: Answer


class Ports:
    """The ports of one container."""

    def __init__(self, address: str, source: str = "") -> None:
        """Have them at `address`; `source` is the address of its proxy."""
        self._own = Addresses.at(address) if address else None
        self._source = source
        self._bound: set[int] = set()
        self._waiting: list[_Waiting] = []

    @property
    def files(self) -> tuple[int, ...]:
        """What to select for writing before `serve`."""
        return tuple(each.socket.fileno() for each in self._waiting)

    def serve(self) -> None:
        """Answer those whose connection is made or has failed."""
        still: list[_Waiting] = []
        for each in self._waiting:
            if not self._settle(each):
                still.append(each)
        self._waiting = still

    def bind(self, take: Callable[[], socket.socket], where: Endpoint, answer: Answer) -> bool:
        """
        Decide where a socket is bound; False leaves it to the kernel.

        `take` returns the caller's socket, to be closed after use.
        """
        if self._own is None:
            return False
        if not (where.is_loopback or (where.is_any and where.port)):
            # A client may bind to any address and port 0, and must get away from this machine.
            return False
        with take() as taken:
            if taken.type != socket.SOCK_STREAM:
                return False
            host = self._place(where, taken)
            try:
                taken.bind(_of_family(taken, host, where.port))
            except OSError as error:
                answer(error.errno or errno.EINVAL)
                return True
            self._bound.add(taken.getsockname()[1])
        answer(0)
        return True

    def connect(self, take: Callable[[], socket.socket], where: Endpoint, answer: Answer) -> bool:
        """Decide where a socket is connected to; False leaves it to the kernel."""
        if where.is_loopback or where.is_any:
            if where.port in self._bound:
                for host in self._looking(where):
                    if _listens(host, where.port):
                        return self._begin(take(), (host, where.port), answer)
            if self._source and where.address.version == 6:
                # Its ::1 has no proxy's address beside it; the machine is the same.
                return self._begin(take(), (MACHINE, where.port), answer, self._source)
        if self._source and where.address.version == 4 and self._reaches(where):
            with take() as taken:
                _leave_from(taken, self._source)
        return False

    def _place(self, where: Endpoint, taken: socket.socket) -> str:
        assert self._own is not None  # `bind` asked
        if where.address.version == 4:
            return self._own.inner if where.is_loopback else self._own.outer
        only_six = taken.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        if where.is_any and not only_six:
            return self._own.outer
        return self._own.six

    def _looking(self, where: Endpoint) -> tuple[str, ...]:
        """Return where a connection to loopback may find what listens, the nearest first."""
        if self._own is None:
            return ()
        near = self._own.inner if where.address.version == 4 else self._own.six
        return near, self._own.outer

    def _reaches(self, where: Endpoint) -> bool:
        """Tell whether one can go there from the proxy's address: it must be this machine."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((self._source, 0))
                probe.connect((str(where.address), where.port or 1))
            except OSError:
                return False
        return True

    def _begin(
        self, taken: socket.socket, target: tuple[str, int], answer: Answer, source: str = ""
    ) -> bool:
        """Connect in the caller's stead, without waiting; its answer comes as it would have."""
        if source:
            _leave_from(taken, source)
        waits = os.get_blocking(taken.fileno())
        try:
            # Nobody uses the socket meanwhile: its process waits for this call.
            os.set_blocking(taken.fileno(), False)
            try:
                number = _connect(taken, target)
            finally:
                os.set_blocking(taken.fileno(), waits)
        except BaseException:
            taken.close()
            raise
        if waits and number in _UNDER_WAY:
            self._waiting.append(_Waiting(taken, target, answer))
        else:
            taken.close()
            answer(number)
        return True

    def _settle(self, waiting: _Waiting) -> bool:
        number = waiting.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not number:
            try:
                waiting.socket.getpeername()
            except OSError:
                return False  # not yet
        waiting.socket.close()
        waiting.answer(number)
        return True


def decide(
    ports: Ports, kind: Kind | None, listener: Listener, request: Request, caller: Caller
) -> bool:
    """Answer bind(2) or connect(2) of a waiting caller; False leaves it to the kernel."""
    file, address, size, *_ = request.arguments
    where = Endpoint.parse(caller.data(address, min(size & 0xFFFF_FFFF, LONGEST)))
    # What was read must have been the caller's own.
    if where is None or not listener.is_waiting(request.id):
        return False

    def take() -> socket.socket:
        return caller.socket(file)

    def answer(error: int) -> None:
        listener.answer(request.id, error)

    does = {Kind.BIND: ports.bind, Kind.CONNECT: ports.connect}.get(kind) if kind else None
    return does is not None and does(take, where, answer)


def _connect(taken: socket.socket, target: tuple[str, int]) -> int:
    return taken.connect_ex(_of_family(taken, *target))


def _of_family(taken: socket.socket, host: str, port: int) -> tuple[str, int]:
    """Return an IPv4 address for a socket that may be one of IPv6."""
    if taken.family != socket.AF_INET6:
        return host, port
    if taken.getsockname()[1] == 0:  # one that is bound must stay what it is
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return f"::ffff:{host}", port


def _leave_from(taken: socket.socket, source: str) -> None:
    """Have a socket leave from this address, unless it is bound already."""
    if taken.getsockname()[1] == 0:
        target = _of_family(taken, source, 0)
        taken.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        taken.bind(target)


def _listens(host: str, port: int) -> bool:
    """Tell whether somebody listens there: then nobody else can bind."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Else connections that ended a while ago would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
