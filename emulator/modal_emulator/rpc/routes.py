"""
What the router of commands answers: commands in one container, their input, output and end.

Each is handed the first message of a call that has proved to be about this container. Output and
input are counted in bytes, so that a client that lost its connection goes on where it was.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.protobuf.message import Message
from grpclib.server import Stream

from modal_emulator.ground.errors import Conflict, Invalid, NotBuilt, NotFound
from modal_emulator.rpc.commands import PIECE, container_of, environment_of, terminal_of
from modal_emulator.rpc.roundtrip import round_trip
from modal_emulator.schedule.executed import STDERR, STDOUT, Executed, Order
from modal_emulator.schedule.sandbox import Sandbox
from modal_emulator.world import World

__all__ = ["ROUTES"]

Reply = type[Message]
Wire = Stream[Any, Any]

MAIN = "main"
_STDOUT, _STDERR = 0, 1  # of TaskExecStdioFileDescriptor
_DEVNULL, _TO_STDOUT = 0, 2  # of TaskExecStdoutConfig and TaskExecStderrConfig
_STILL = 2
"""Round trips without news: in the first one the client is given the last, then it works on it."""


async def exec_start(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Start a command; the client has chosen its id."""
    if getattr(request, "container_id", "") not in ("", MAIN):
        raise NotBuilt("modal-emulator has no sidecars of Sandboxes; see docs/guide/sandboxes.md")
    if request.stderr_config == _TO_STDOUT:
        raise NotBuilt("modal-emulator does not send a command's stderr to its stdout yet")
    terminal, named = terminal_of(request.pty_info)
    kept = {STDOUT: request.stdout_config, STDERR: request.stderr_config}
    order = Order(
        tuple(request.command_args),
        {**named, **environment_of(world, request)},
        request.workdir,
        terminal,
        request.timeout_secs,
        frozenset(number for number, option in kept.items() if option != _DEVNULL),
    )
    try:
        await world.executions.start(container_of(world, request.task_id), request.exec_id, order)
    except Conflict as error:
        # A conflict would be taken for a container that has ended; the code is a guess.
        raise Invalid(f"the command cannot be started: {error.message}") from error
    await stream.send_message(reply())


async def exec_stdio_read(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Stream what it writes from a byte on."""
    executed = _executed(world, request)
    number = STDERR if request.file_descriptor == _STDERR else STDOUT
    await _send(executed, number, request.offset, stream, lambda data, _at: reply(data=data))


async def exec_stdin_write(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Write to its input."""
    executed = _executed(world, request)
    await executed.give(request.data, request.offset, eof=request.eof)
    await stream.send_message(reply())


async def exec_stdin_write_stream(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Write a stream of messages to its input; only one that says so ends it."""
    if not request.HasField("start"):
        raise Invalid("TaskExecStdinWriteStream: the first message is not a start")
    executed = _executed(world, request.start)
    offset = request.start.offset
    while (message := await stream.recv_message()) is not None:
        is_end = message.HasField("end")
        await executed.give(message.data, offset, eof=is_end)
        offset += len(message.data)
        if is_end:
            break
    await stream.send_message(reply())


async def exec_stdin_status(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Say how much input it has taken."""
    executed = _executed(world, request)
    await stream.send_message(reply(num_bytes_written=executed.given, closed=executed.given_all))


async def exec_poll(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Say how it ended, if it has."""
    await stream.send_message(reply(**_end(_executed(world, request))))


async def exec_wait(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Wait for its end; the client gives up by itself and asks again."""
    executed = _executed(world, request)
    await executed.wait()
    await _tell_output_first(executed, stream)
    await stream.send_message(reply(**_end(executed)))


async def reload_volumes(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Show the newest version of each volume; what is pending is committed by that."""
    await world.commits.reload_all(container_of(world, request.task_id).container_id)
    await stream.send_message(reply())


async def sandbox_stdio_read(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Stream what a Sandbox's first command writes from a byte on, also after its end."""
    number = STDERR if request.file_descriptor == _STDERR else STDOUT
    executed = _main(world, request)
    await _send(
        executed,
        number,
        request.offset,
        stream,
        lambda data, at: reply(data=data, starting_offset=at),
    )


async def sandbox_stdin_write(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """Write to the input of a Sandbox's first command."""
    sandbox = _sandbox(world, request)
    await world.sandboxes.give(sandbox, request.data, request.offset, eof=request.eof)
    await stream.send_message(reply())


async def sandbox_wait_until_ready(world: World, request: Any, reply: Reply, stream: Wire) -> None:
    """One without a probe is ready once it runs; one with a probe is refused when it is made."""
    sandbox = _sandbox(world, request)
    await stream.send_message(reply(ready_at=sandbox.created_at))


async def _send(
    executed: Executed,
    number: int,
    offset: int,
    stream: Wire,
    message: Callable[[bytes, int], Message],
) -> None:
    """Stream a tape until its end."""
    executed.news += 1
    while data := await _more(executed, number, offset):
        await stream.send_message(message(data, offset))
        executed.news += 1
        offset += len(data)


async def _more(executed: Executed, number: int, offset: int) -> bytes:
    """Wait for what it writes from an offset on; nothing is the end."""
    tape = executed.tapes[number]
    while not (data := executed.read(number, offset, PIECE)) and not tape.ended:
        await tape.pulse.wait()
    return data


async def _tell_output_first(executed: Executed, stream: Wire) -> None:
    """
    Let those who read its output on this connection have all of it first.

    The SDK prints a command's output on the side, and begins to read when it begins to wait: it
    forgets what comes after the end, and the process of `modal container exec` is gone by then.
    Who does not read on, or not at all, is not waited for.
    """
    still = 0
    while still < _STILL:
        before = executed.news
        await round_trip(stream)
        still = still + 1 if executed.news == before else 0


def _executed(world: World, request: Any) -> Executed:
    return world.executions.get(request.exec_id, request.task_id)


def _sandbox(world: World, request: Any) -> Sandbox:
    """Return the Sandbox of a container, also one that has ended."""
    found = [s for s in world.sandboxes.all() if s.container_id == request.task_id]
    if not found:
        raise NotFound(f"No Sandbox in container '{request.task_id}' found")
    return found[0]


def _main(world: World, request: Any) -> Executed:
    return world.sandboxes.main(_sandbox(world, request))


def _end(executed: Executed) -> dict[str, int]:
    """Return the field that says how it ended; none while it has not."""
    how = executed.exit
    if how is None:
        return {}
    return {"code": how.code} if how.code is not None else {"signal": how.signal or 0}


ROUTES: Mapping[str, Callable[[World, Any, Reply, Wire], Awaitable[None]]] = {
    "SandboxStdinWriteV2": sandbox_stdin_write,
    "SandboxStdioReadV2": sandbox_stdio_read,
    "SandboxWaitUntilReady": sandbox_wait_until_ready,
    "TaskExecPoll": exec_poll,
    "TaskExecStart": exec_start,
    "TaskExecStdinStatus": exec_stdin_status,
    "TaskExecStdinWrite": exec_stdin_write,
    "TaskExecStdinWriteStream": exec_stdin_write_stream,
    "TaskExecStdioRead": exec_stdio_read,
    "TaskExecWait": exec_wait,
    "TaskReloadVolumes": reload_volumes,
}
