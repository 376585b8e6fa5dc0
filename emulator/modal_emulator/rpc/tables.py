"""
How a handler's room declares what it answers.

Each room under `handlers/` ends with `RPCS`, from the RPC's name to one of these. What stands in
no table answers UNIMPLEMENTED. `docs/reference/support.md` is printed from the tables.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from google.protobuf.message import Message

from modal_emulator.rpc.call import Call
from modal_emulator.world import World

__all__ = ["Level", "Rpc", "Streaming", "Unary", "accepted", "full", "partly", "stream"]

# A handler's request and reply types differ per RPC; the wire front end checks them by descriptor.
Unary = Callable[[World, Call[Any]], Awaitable[Message]]
Streaming = Callable[[World, Call[Any]], AsyncIterator[Message]]


class Level(Enum):
    """How much of an RPC is there."""

    FULL = "full"
    PARTLY = "partly"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Rpc:
    """One line of a table: how much is there, what is to be said of it, and who answers."""

    level: Level
    note: str
    unary: Unary | None = None
    streaming: Streaming | None = None


def full(handler: Unary) -> Rpc:
    """All of the RPC that today's SDKs use."""
    return Rpc(Level.FULL, "", unary=handler)


def partly(handler: Unary, missing: str) -> Rpc:
    """The RPC without what `missing` says."""
    return Rpc(Level.PARTLY, missing, unary=handler)


def stream(handler: Streaming, missing: str = "") -> Rpc:
    """An RPC that answers with a stream of messages."""
    return Rpc(Level.PARTLY if missing else Level.FULL, missing, streaming=handler)


def accepted(reply: Callable[[], Message], why: str) -> Rpc:
    """An empty yes, and why that is right."""

    async def answer(_world: World, _call: Call[Any]) -> Message:
        return reply()

    return Rpc(Level.ACCEPTED, why, unary=answer)
