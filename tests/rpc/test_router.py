"""The router of commands, as clients of several kinds and ages meet it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import modal
import pytest
from google.protobuf.message_factory import GetMessageClass
from grpclib import GRPCError
from grpclib.client import Channel, StreamUnaryMethod, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.config import Configuration

from modal_emulator.ground.errors import Conflict

protocol = pytest.importorskip(
    "modal_proto.task_command_router_pb2", reason="SDKs before 1.2 know no router"
)
SERVICE = protocol.DESCRIPTOR.services_by_name["TaskCommandRouter"]
WINDOW = 1 << 16  # bytes that a stream takes unread
PIPES = {"stdout_config": 1, "stderr_config": 1}


class Router:
    """Calls the router with one token."""

    def __init__(self, url: str, token: str) -> None:
        self.where = urlsplit(url)
        self.token = token

    def __call__(self, *calls: tuple[str, Any]) -> list[Any]:
        """Make these calls one after another on one connection."""

        async def calling() -> list[Any]:
            async with self._channel() as channel:
                return [await self._call(channel, name, request) for name, request in calls]

        return asyncio.run(asyncio.wait_for(calling(), 120))

    def in_order_of_answers(self, *calls: tuple[str, Any]) -> list[Any]:
        """Make these calls at once on one connection, and return what is answered first, first."""

        async def calling() -> list[Any]:
            async with self._channel() as channel:
                await channel.__connect__()  # else each call waits to be the one that connects
                asked = [
                    asyncio.ensure_future(self._call(channel, name, request))
                    for name, request in calls
                ]
                return [await each for each in asyncio.as_completed(asked)]

        return asyncio.run(asyncio.wait_for(calling(), 120))

    def error(self, name: str, request: Any) -> tuple[str, str]:
        with pytest.raises(GRPCError) as caught:
            self((name, request))
        return caught.value.status.name, caught.value.message or ""

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[Channel]:
        config = Configuration(http2_stream_window_size=WINDOW)
        channel = Channel(self.where.hostname, self.where.port, config=config)
        try:
            yield channel
        finally:
            channel.close()

    async def _call(self, channel: Channel, name: str, request: Any) -> Any:
        return await self._shape(channel, name)(request, metadata=self._metadata)

    def _shape(self, channel: Channel, name: str) -> Any:
        method = SERVICE.methods_by_name[name]
        shapes = {(False, False): UnaryUnaryMethod, (False, True): UnaryStreamMethod}
        shape = shapes.get((method.client_streaming, method.server_streaming), StreamUnaryMethod)
        types = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        return shape(channel, f"/{SERVICE.full_name}/{name}", *types)

    @property
    def _metadata(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


@pytest.fixture
def box(modal_emulator) -> modal.Sandbox:
    """A Sandbox that does nothing."""
    app = modal.App.lookup("boxes", create_if_missing=True)
    return modal.Sandbox.create("sleep", "infinity", app=app)


def access(modal_emulator, container_id: str, kind: str = "1", version: str = "1.6.4") -> Any:
    headers = {"x-modal-client-type": kind, "x-modal-client-version": version}
    world = modal_emulator.ask(lambda world: world)
    return modal_emulator._run(world.command_router(container_id, headers))


def router(modal_emulator, box: modal.Sandbox) -> tuple[Router, str]:
    container_id = box._get_task_id()
    return Router(*access(modal_emulator, container_id)), container_id


def start(container_id: str, script: str, id: str = "one", **options: Any) -> tuple[str, Any]:
    return "TaskExecStart", protocol.TaskExecStartRequest(
        task_id=container_id, exec_id=id, command_args=["sh", "-c", script], **PIPES | options
    )


def test_output_is_read_again_from_any_byte(modal_emulator, box) -> None:
    route, container_id = router(modal_emulator, box)
    about = {"task_id": container_id, "exec_id": "one"}
    wait = protocol.TaskExecWaitRequest(**about)

    def read(offset: int) -> tuple[str, Any]:
        request = protocol.TaskExecStdioReadRequest(offset=offset, **about)
        return "TaskExecStdioRead", request

    begin = start(container_id, "printf words; exit 3")
    *_, ended, whole, rest, end = route(
        begin, begin, ("TaskExecWait", wait), read(0), read(3), read(5)
    )
    assert ended.code == 3
    assert [b"".join(piece.data for piece in each) for each in (whole, rest, end)] == [
        b"words",
        b"ds",
        b"",
    ]
    poll = protocol.TaskExecPollRequest(**about)
    assert route(("TaskExecPoll", poll))[0].code == 3


def test_who_reads_the_output_has_it_before_the_end_is_told(modal_emulator, box) -> None:
    # The SDK begins to read when it begins to wait, and forgets what comes after the end.
    route, container_id = router(modal_emulator, box)
    about = {"task_id": container_id, "exec_id": "one"}
    wait = "TaskExecWait", protocol.TaskExecWaitRequest(**about)
    read = "TaskExecStdioRead", protocol.TaskExecStdioReadRequest(**about)
    route(start(container_id, "printf words; exit 3"), wait)
    words, end = route.in_order_of_answers(wait, read)
    assert (words[0].data, end.code) == (b"words", 3)


def test_who_does_not_read_on_is_told_the_end(modal_emulator, box) -> None:
    route, container_id = router(modal_emulator, box)
    about = {"task_id": container_id, "exec_id": "one"}
    wait = "TaskExecWait", protocol.TaskExecWaitRequest(**about)
    script = f"head -c {8 * WINDOW} /dev/zero; exit 3"

    async def reading_nothing() -> int:
        async with route._channel() as channel:
            read = route._shape(channel, "TaskExecStdioRead")
            async with read.open(metadata=route._metadata) as stream:
                await stream.send_message(protocol.TaskExecStdioReadRequest(**about), end=True)
                await stream.recv_initial_metadata()
                ended = await route._call(channel, *wait)
                await stream.cancel()
                return ended.code

    route(start(container_id, script))
    assert asyncio.run(asyncio.wait_for(reading_nothing(), 120)) == 3


def test_input_goes_on_where_it_was(modal_emulator, box) -> None:
    route, container_id = router(modal_emulator, box)
    about = {"task_id": container_id, "exec_id": "one"}
    piece = protocol.TaskExecStdinWriteRequest
    status = ("TaskExecStdinStatus", protocol.TaskExecStdinStatusRequest(**about))
    streamed = protocol.TaskExecStdinWriteStreamRequest
    stream = [
        streamed(start=protocol.TaskExecStdinWriteStreamStart(offset=3, **about)),
        streamed(data=b"def"),
        streamed(end=protocol.TaskExecStdinWriteStreamEnd()),
    ]
    _, _, before, _, after, read = route(
        start(container_id, "cat"),
        ("TaskExecStdinWrite", piece(offset=0, data=b"abc", **about)),
        status,
        ("TaskExecStdinWriteStream", stream),
        status,
        ("TaskExecStdioRead", protocol.TaskExecStdioReadRequest(**about)),
    )
    assert (before.num_bytes_written, before.closed) == (3, False)
    assert (after.num_bytes_written, after.closed) == (6, True)
    assert b"".join(each.data for each in read) == b"abcdef"


def test_each_call_needs_a_token_for_its_container(modal_emulator, box) -> None:
    route, container_id = router(modal_emulator, box)
    for token in ("", access(modal_emulator, "ta-other")[1]):
        stranger = Router(route.where.geturl(), token)
        for method in SERVICE.methods:
            if not method.client_streaming and "task_id" in method.input_type.fields_by_name:
                request = GetMessageClass(method.input_type)(task_id=container_id)
                assert stranger.error(method.name, request)[0] == "UNAUTHENTICATED"
    assert route.error("TaskExecStart", start("ta-other", "true")[1])[0] == "UNAUTHENTICATED"


def test_what_is_not_built_says_so(modal_emulator, box) -> None:
    route, container_id = router(modal_emulator, box)
    request = protocol.TaskMountDirectoryRequest(task_id=container_id, path=b"/x")
    status, text = route.error("TaskMountDirectory", request)
    assert status == "UNIMPLEMENTED"
    assert "TaskMountDirectory" in text


def test_each_client_is_given_what_it_takes(modal_emulator, box) -> None:
    container_id = box._get_task_id()
    plain, _ = access(modal_emulator, container_id)
    for_js, _ = access(modal_emulator, container_id, kind="8", version="1.0.0")
    assert for_js == plain.replace("http://", "https://")
    with pytest.raises(Conflict, match="not enabled"):
        access(modal_emulator, container_id, version="1.3.5")
    by_tls, _ = access(modal_emulator, container_id, version="1.4.3")
    certificate = modal_emulator.ask(lambda world: world.authority.certificate)
    where = urlsplit(by_tls)
    context = ssl.create_default_context(cadata=certificate.decode())

    async def shake() -> str | None:
        _, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context)
        protocol = writer.get_extra_info("ssl_object").version()
        writer.close()
        return protocol

    assert (asyncio.run(shake()) or "").startswith("TLSv1.")


def test_a_shell_in_a_volume_refuses_a_reload(modal_emulator) -> None:
    app = modal.App.lookup("boxes", create_if_missing=True)
    volume = modal.Volume.from_name("held", create_if_missing=True)
    box = modal.Sandbox.create("sleep", "infinity", app=app, volumes={"/data": volume})
    shell = box.exec("sh", "-c", "echo in; read line", workdir="/data")
    assert next(iter(shell.stdout)) == "in\n"
    with pytest.raises(modal.exception.ConflictError, match="open files"):
        box.reload_volumes()
    shell.stdin.write(b"\n")
    shell.stdin.drain()
    assert shell.wait() == 0
    box.reload_volumes()


def test_what_would_be_ignored_is_refused(modal_emulator) -> None:
    app = modal.App.lookup("boxes", create_if_missing=True)
    for options in (
        {"block_network": True},
        {"outbound_cidr_allowlist": ["10.0.0.0/8"]},
        {"experimental_options": {"enable_docker": True}},
    ):
        with pytest.raises(Exception, match="modal-emulator does not offer"):
            modal.Sandbox.create("true", app=app, **options)
    with pytest.raises(modal.exception.InvalidError):
        modal.Sandbox.create("true", app=app, region="invalid-region")


def test_the_command_runs_in_a_functions_container(modal_emulator, modal_command) -> None:
    app = modal.App("app")

    @app.function(serialized=True)
    def idle() -> None:
        return None

    with app.run():
        idle.remote()
        container_id = modal_emulator.container("idle").container_id
        done = modal_command("container", "exec", "--no-pty", container_id, "--", "echo", "there")
        assert done.text == "there\n"
        listed = modal_command("container", "list").text
        assert container_id in listed
    gone = modal_command("container", "exec", "--no-pty", container_id, "--", "true", fails=True)
    assert f"Modal Sandbox with container ID {container_id} not found." in gone.text
