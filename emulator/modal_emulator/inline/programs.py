"""
Makes the programs of thread containers, and hands them the server's ear.

A program calls the same handlers as every client, only without a wire between: its requests are
messages that nobody else holds, and the container that asks is known.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from modal_emulator.ground.errors import NotBuilt
from modal_emulator.inline.pretence import pretend
from modal_emulator.inline.program import SdkProgram
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.registry import rpcs
from modal_emulator.rpc.stepping import done
from modal_emulator.rpc.tables import Rpc
from modal_emulator.runtime.backend import Plan
from modal_emulator.runtime.inline.here import Here
from modal_emulator.runtime.inline.program import Program
from modal_emulator.world import World

__all__ = ["SdkPrograms"]


class SdkPrograms:
    """Makes them, and has the SDK believe in their containers from the first one on."""

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world
        self._take_back: Callable[[], None] | None = None

    def __call__(self, plan: Plan, here: Here) -> Program:
        """Return the program of one container."""
        if self._take_back is None:
            self._take_back = pretend()
        world = self._world()
        ask = _Ask(world, here)
        return SdkProgram(plan, here, ask, world.clock, world.settling, asyncio.get_running_loop())

    def close(self) -> None:
        """Take back what was changed in the SDK."""
        if self._take_back is not None:
            self._take_back()
            self._take_back = None


@dataclass(frozen=True, slots=True)
class _Ask:
    """A container's requests; one of a World that is gone asks that, and is not known there."""

    world: World
    here: Here

    async def __call__(self, name: str, request: Message) -> Any:
        """Return the reply."""
        if (unary := _rpc(name).unary) is None:
            raise _unanswered(name)
        call = Call(request, self.here.container_id)
        return await self.here.kill.answering(lambda: done(self.world, name, unary, call))

    def stream(self, name: str, request: Message) -> AsyncIterator[Any]:
        """Return the replies as they come."""
        if (streaming := _rpc(name).streaming) is None:
            raise _unanswered(name)
        return streaming(self.world, Call(request, self.here.container_id))


def _rpc(name: str) -> Rpc:
    rpc = rpcs().get(name)
    if rpc is None:
        raise _unanswered(name)
    return rpc


def _unanswered(name: str) -> NotBuilt:
    return NotBuilt(f"modal-emulator does not answer {name} yet")
