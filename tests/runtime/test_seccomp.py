"""Which calls a filter reports, and what becomes of them."""

import errno
import os
import select
import signal
import socket
import struct
from collections.abc import Callable

import pytest

from modal_emulator.runtime import calls, seccomp
from modal_emulator.runtime.calls import CALLS, OPENING, Kind, Table, table_here
from modal_emulator.runtime.entry import _be_watched
from modal_emulator.runtime.seccomp import Filter, Listener, program

TABLES = {"x86_64": calls._X86_64, "aarch64": calls._AARCH64}
both = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
ALLOW, REPORT = 0x7FFF_0000, 0x7FC0_0000


def verdict(code: bytes, audit: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel would; it knows four instructions."""
    data = struct.pack("=iIQ6Q", number, audit, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", code))
    at, held = 0, 0
    while True:
        operation, yes, no, value = steps[at]
        at += 1
        if operation == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        elif operation == 0x15:
            at += yes if held == value else no
        elif operation == 0x45:
            at += yes if held & value else no
        else:
            assert operation == 0x06
            return value


@both
def test_what_was_asked_for_is_reported(table: Table) -> None:
    names = table.of_kinds([Kind.LINK, Kind.SYNC])
    code = program(table, names)
    for name, number in table.numbers.items():
        expected = REPORT if CALLS[name].kind in (Kind.LINK, Kind.SYNC) else ALLOW
        assert verdict(code, table.audit, number, 0, 0, os.O_CREAT, 0, os.O_CREAT) == expected
    assert verdict(code, table.audit, 12345) == ALLOW
    assert verdict(code, table.audit ^ 1, table.numbers["linkat"]) == ALLOW


@both
def test_calls_are_reported_when_every_argument_has_the_bits(table: Table) -> None:
    code = program(table, table.of_kinds(Kind))
    for name, number in table.numbers.items():
        tests = CALLS[name].bits
        assert verdict(code, table.audit, number, *[0] * 6) == (ALLOW if tests else REPORT)
        arguments = [0] * 6
        for argument, bits in tests:
            assert verdict(code, table.audit, number, *arguments) == ALLOW
            arguments[argument] = bits | 0x400
        assert verdict(code, table.audit, number, *arguments) == REPORT
        for argument, bits in tests:
            others = [each & ~bits if at == argument else each for at, each in enumerate(arguments)]
            assert verdict(code, table.audit, number, *others) == ALLOW


def test_opening_is_reported_when_it_may_make() -> None:
    for name in OPENING - {"openat2"}:  # its flags are in memory
        assert CALLS[name].bits == ((CALLS[name].flags, os.O_CREAT),)


def needs_reports() -> None:
    if why := seccomp.refusal():
        pytest.skip(f"this kernel reports no calls: {why}")
    if os.geteuid() != 0:
        pytest.skip("only root may filter without giving up rights for good")


class Reported:
    """A process whose calls come here."""

    def __init__(self, body: Callable[[], int], *kinds: Kind) -> None:
        table = table_here()
        assert table is not None
        self.table = table
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            try:
                ours.close()
                Filter(table, table.of_kinds(kinds), theirs).install()
                code = body()
            finally:
                os._exit(code)
        theirs.close()
        with ours:
            _, files, _, _ = socket.recv_fds(ours, 1, 1)
        self.listener = Listener(files[0])

    def next(self) -> seccomp.Request:
        select.select([self.listener], [], [], 20)
        request = self.listener.receive()
        assert request is not None
        return request

    def ended(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def sync() -> int:
    try:
        os.fsync(0)
    except OSError as error:
        return error.errno
    return 0


def test_a_call_returns_what_is_answered() -> None:
    needs_reports()
    for error in (errno.EIO, 0):
        child = Reported(sync, Kind.SYNC)
        request = child.next()
        assert child.table.name(request.number) == "fsync"
        assert (request.thread, request.arguments[0]) == (child.pid, 0)
        assert child.listener.is_waiting(request.id)
        child.listener.answer(request.id, error)
        assert child.ended() == error
        assert not child.listener.is_waiting(request.id)
        child.listener.close()


def test_the_kernel_can_go_on() -> None:
    needs_reports()

    def body() -> int:
        os.close(0)
        return sync()

    child = Reported(body, Kind.SYNC)
    child.listener.let(child.next().id)
    assert child.ended() == errno.EBADF
    with pytest.raises(EOFError):
        child.listener.receive()
    child.listener.close()


def test_nobody_waits_for_a_caller_that_is_gone() -> None:
    needs_reports()
    child = Reported(sync, Kind.SYNC)
    request = child.next()
    assert child.listener.receive() is None
    os.kill(child.pid, signal.SIGKILL)
    assert child.ended() == -signal.SIGKILL
    child.listener.let(request.id)
    child.listener.answer(request.id, errno.EIO)
    child.listener.close()


def test_with_the_listener_closed_calls_fail_and_do_not_hang() -> None:
    needs_reports()
    child = Reported(sync, Kind.SYNC)
    child.next()
    child.listener.close()
    assert child.ended() == errno.ENOSYS


def test_a_refused_filter_is_told_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(0, 1 << 20, {})  # no such call
    ours, theirs = socket.socketpair()
    _be_watched(Filter(table, (), theirs))
    with ours:
        assert ours.recv(1) == b""
    assert "not watched here: [Errno 38]" in capsys.readouterr().err


def test_unknown_architectures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    assert table_here() is None
    assert seccomp.refusal() == "this architecture's system calls are not known"
