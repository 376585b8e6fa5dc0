"""The service beside Modal's: what it answers, to whom, and how its client tells what is wrong."""

import asyncio
import io
import json
import socket
import tarfile
import threading
from contextlib import contextmanager

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpclib import GRPCError
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.server import Server

from modal_emulator.ground.errors import Code, Conflict, EmulatorError, Invalid
from modal_emulator.rpc.control import METHODS
from modal_emulator.rpc.remote import Remote
from modal_emulator.rpc.service import SERVICE


def archive(**files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in files.items():
            header = tarfile.TarInfo(name.replace("__", "/"))
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    made.seek(0)
    return made


@pytest.fixture
def remote(modal_emulator):
    return Remote(modal_emulator.environment)


@pytest.fixture
def volume(remote):
    """A volume with two versions; returns how to ask about it."""
    for files in ({"a": b"1", "d__b": b"22"}, {"a": b"333"}):
        url = remote.ask("VolumeImport", name="shelf", create=True)["url"]
        remote.bring(url, archive(**files))
    return lambda method, **asked: remote.ask(method, name="shelf", **asked)


def told(work):
    with pytest.raises(EmulatorError) as caught:
        work()
    return caught.value.message


def test_it_says_who_it_is(remote):
    from modal_emulator import __version__

    assert remote.ask("Hello") == {"emulator": __version__}


def test_the_log_begins_with_the_newest(volume):
    found = volume("VolumeLog")["versions"]
    assert [(row["version"], row["base"], row["paths"], row["via"]) for row in found] == [
        (2, 1, 1, "api"),
        (1, 0, 2, "api"),
    ]
    assert all(row["kept"] for row in found)
    assert [row["version"] for row in volume("VolumeLog", limit=1)["versions"]] == [2]
    assert len(volume("VolumeLog", limit=9)["versions"]) == 2


def test_a_version_is_shown(volume):
    shown = volume("VolumeShow", version=1)
    assert shown["version"] == 1
    assert shown["changes"] == [
        {"path": "a", "type": "f", "size": 1},
        {"path": "d/b", "type": "f", "size": 2},
    ]
    assert volume("VolumeShow")["version"] == 2
    for number in (0, 3):
        assert told(lambda number=number: volume("VolumeShow", version=number)) == (
            f"Volume 'shelf' has no version {number}; the newest is 2"
        )


def test_differences_are_listed(volume):
    found = volume("VolumeDiff", a=1)
    assert (found["a"], found["b"]) == (1, 2)
    (row,) = found["differences"]
    assert (row["path"], row["kind"]) == ("a", "changed")
    assert (row["before"]["size"], row["after"]["size"]) == (1, 3)
    back = volume("VolumeDiff", a=2, b=0)["differences"]
    assert [(row["path"], row["kind"], row["after"]) for row in back] == [
        ("a", "removed", None),
        ("d", "removed", None),
        ("d/b", "removed", None),
    ]
    assert "has no version 9; the newest is 2" in told(lambda: volume("VolumeDiff", a=1, b=9))


def test_versions_go_out_and_come_in(volume, remote):
    found = volume("VolumeExport", version=1)
    with remote.fetch(found["url"]) as body:
        data = body.read(1 << 20)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == [".", "a", "d", "d/b"]
    url = remote.ask("VolumeImport", name="copy", create=True)["url"]
    assert remote.bring(url, io.BytesIO(data)) == {"version": 1}
    assert remote.ask("VolumeShow", name="copy")["changes"] == [
        {"path": "a", "type": "f", "size": 1},
        {"path": "d/b", "type": "f", "size": 2},
    ]


def test_what_is_missing_is_told(remote):
    text = "Volume 'x' not found in environment 'main'"
    for method in (name for name in METHODS if name.startswith("Volume")):
        with pytest.raises(EmulatorError) as caught:
            remote.ask(method, name="x", a=1)
        assert (caught.value.message, caught.value.code) == (text, Code.NOT_FOUND)
    assert "'nowhere'" in told(lambda: remote.ask("VolumeLog", name="x", environment="nowhere"))


# -------------------------------------------------------------------- who may ask


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"MODAL_TOKEN_SECRET": "as-wrong"}, "Token not found"),
        (
            {"MODAL_TOKEN_ID": "", "MODAL_TOKEN_SECRET": ""},
            "Token missing. Could not authenticate client.",
        ),
    ],
)
def test_only_who_has_the_token_is_answered(modal_emulator, changes, text):
    remote = Remote({**modal_emulator.environment, **changes})
    assert told(lambda: remote.ask("Hello")) == text


@pytest.mark.parametrize("request_", ["", "no json", "[]", "3"])
def test_what_is_no_request_is_refused(modal_emulator, request_):
    environment = modal_emulator.environment

    async def ask():
        port = int(environment["MODAL_SERVER_URL"].rpartition(":")[2])
        channel = Channel("127.0.0.1", port)
        call = UnaryUnaryMethod(channel, f"/{SERVICE}/VolumeLog", StringValue, StringValue)
        token = {
            "x-modal-token-id": environment["MODAL_TOKEN_ID"],
            "x-modal-token-secret": environment["MODAL_TOKEN_SECRET"],
        }
        try:
            await call(StringValue(value=request_), metadata=token)
        finally:
            channel.close()

    with pytest.raises(GRPCError) as caught:
        asyncio.run(ask())
    assert caught.value.status.name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.modal.com",
        "http://api.modal.com:80",
        "http://192.0.2.1:1234",
        "https://127.0.0.1:1234",
        "http://127.0.0.1",
        "unix:/tmp/x",
    ],
)
def test_nothing_but_this_machine_is_spoken_to(url):
    with pytest.raises(Invalid, match="which is no emulator on this machine"):
        Remote({"MODAL_SERVER_URL": url})


def test_without_a_server_the_ways_to_one_are_told():
    with pytest.raises(Invalid, match="MODAL_SERVER_URL is not set"):
        Remote({})


@contextmanager
def another_server():
    """Run a gRPC server that has no service at all."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listener = socket.create_server(("127.0.0.1", 0))

    async def start():
        server = Server([])
        await server.start(sock=listener)
        return server

    async def stop():
        server.close()
        await server.wait_closed()

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_server_that_is_no_emulator_is_told():
    with another_server() as url:
        text = told(lambda: Remote({"MODAL_SERVER_URL": url}).ask("VolumeLog", name="x"))
    assert text == f"What answers at {url} is not a modal-emulator of this version."


def test_what_speaks_no_grpc_is_told(volume):
    """The emulator's own HTTP side door, for one."""
    url = json.loads(json.dumps(volume("VolumeExport")))["url"]
    site = url[: url.index("/archives")]
    with pytest.raises(Conflict, match=f"No emulator answers at {site}"):
        Remote({"MODAL_SERVER_URL": site}).ask("Hello")


def test_a_port_where_nobody_listens_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Conflict, match=f"No emulator answers at {url}"):
            Remote({"MODAL_SERVER_URL": url}).ask("Hello")
