"""
Makes the programs of thread containers, and hands them the server's ear.

A program calls the same handlers as every client, only without a wire between: its requests are
messages that nobody else holds, and the container that asks is known.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from google.protobuf.message import Message

from modal_emulator.ground.errors import NotBuilt
from modal_emulator.inline.pretence import pretend
from modal_emulator.inline.program import SdkProgram
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.registry import rpcs
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
        ask = partial(_ask, world, plan.container_id)
        return SdkProgram(plan, here, ask, world.clock, world.settling, asyncio.get_running_loop())

    def close(self) -> None:
        """Take back what was changed in the SDK."""
        if self._take_back is not None:
            self._take_back()
            self._take_back = None


def _ask(world: World, container_id: str, name: str, request: Message) -> Awaitable[Any]:
    # A container of a World that is gone asks that one, and is told that it is not known there.
    rpc = rpcs().get(name)
    if rpc is None or rpc.unary is None:
        raise NotBuilt(f"modal-emulator does not answer {name} yet")
    return rpc.unary(world, Call(request, container_id))
