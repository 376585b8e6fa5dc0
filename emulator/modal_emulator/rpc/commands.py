"""
Requests to run a command, as the two protocols for that make them: read, and found their container.

Older SDKs ask the server itself, newer ones a router of commands; see `router`.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from modal_proto import api_pb2

from modal_emulator.ground.errors import NotBuilt, NotFound
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import has
from modal_emulator.runtime.backend import Capability, Container
from modal_emulator.world import World

__all__ = [
    "PIECE",
    "container_of",
    "environment_of",
    "refuse_inside",
    "router_access",
    "terminal_of",
    "whole_characters",
]

PIECE = 1 << 18
"""Bytes of output in one message."""


def container_of(world: World, container_id: str) -> Container:
    """
    Return a running container.

    Raises:
        NotFound: there is none; the words are Modal's for a Sandbox (modal-semantics 7 [observed]),
            that they are the same for a Function's container is a guess.
        NotBuilt: it is of a runtime that runs no commands.
    """
    container: Container | None = None
    if sandbox := world.sandboxes.in_container(container_id):
        container = sandbox.container
    else:
        with suppress(NotFound):
            container = world.dispatcher.worker(container_id).container
    if container is None:
        raise NotFound(
            f"Modal Sandbox with container ID {container_id} not found.\n"
            "This means this Sandbox has already shut down."
        )
    if Capability.EXECUTE not in world.offers:
        raise NotBuilt(
            "modal-emulator runs no commands in containers of this runtime; "
            "see docs/guide/sandboxes.md"
        )
    return container


async def router_access(world: World, call: Call[Any], container_id: str) -> tuple[str, str]:
    """
    Return where commands for a container are taken, and a token.

    Raises:
        NotBuilt: the caller's SDK would not believe any router that we have.
        Conflict: the caller's SDK is to use the older protocol.
    """
    refuse_inside(call)
    return await world.command_router(container_id, call.metadata or {})


def refuse_inside(call: Call[Any]) -> None:
    """
    Refuse who calls by a container's own socket.

    To an SDK there the server is not on loopback, so it verifies a router's certificate against
    those that the machine trusts.
    """
    if call.container_id is not None and not call.is_near:
        raise NotBuilt(
            "modal-emulator takes no commands from inside containers of processes, nor Sandboxes; "
            "see docs/guide/sandboxes.md"
        )


def terminal_of(asked: api_pb2.PTYInfo) -> tuple[tuple[int, int] | None, dict[str, str]]:
    """Return rows and columns of the terminal, None for none, and what it adds to environments."""
    if not asked.enabled:
        return None, {}
    named = {
        "TERM": asked.env_term,
        "COLORTERM": asked.env_colorterm,
        "TERM_PROGRAM": asked.env_term_program,
    }
    size = (asked.winsz_rows or 24, asked.winsz_cols or 80)
    return size, {name: value for name, value in named.items() if value}


def environment_of(world: World, request: Any) -> dict[str, str]:
    """Return the variables that a request wants, whichever of its fields names them."""
    found = dict(world.secrets.environment(tuple(getattr(request, "secret_ids", ()))))
    for source in getattr(request, "secret_sources", ()):
        if has(source, "secret_id"):
            found |= world.secrets.environment((source.secret_id,))
        else:
            found |= dict(source.env.contents)
    found |= _mapping(getattr(request, "env", {}))
    return found


def _mapping(values: "Mapping[str, str] | Iterable[str]") -> dict[str, str]:
    return dict(values) if isinstance(values, Mapping) else {}


def whole_characters(data: bytes, *, last: bool) -> bytes:
    """
    Return the data without the beginning of a character at its end, if more is to come.

    The older protocol sends text, and readers decode each message by itself.
    """
    if last:
        return data
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return data[:-back] if back < needed else data
    return data
