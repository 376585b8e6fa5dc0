"""
Web functions in a container of threads: the app that user code makes, and the SDK's wrapper of it.

How a request becomes a call of the app, how a WSGI app or a lone function becomes an ASGI one, and
how the life of an app begins and ends, is all the SDK's ([sdk] _runtime/asgi.py). Of its manager
of the container the wrapper only wants what a call is given.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from modal_proto import api_pb2

from modal_emulator.inline.private import private

__all__ = ["DataIn", "Lifespans", "Waiting", "is_web", "wrapped"]

Wrapped = tuple[Callable[..., Any], Any]
"""What takes the scope of a request and gives the app's messages; and the app's lifespan."""

_LAST_TURNS = 10

Waiting = Callable[[Awaitable[Any]], Awaitable[Any]]
"""Awaits what is to come from outside."""


class DataIn:
    """What the SDK finds as `get_data_in` of its manager: a function that is asked by `aio`."""

    def __init__(self, read: Callable[[str], AsyncIterator[Any]]) -> None:
        self._read = read

    def aio(self, call_id: str, _token: str = "") -> AsyncIterator[Any]:
        """Return the messages that a call is given; older SDKs know no tokens."""
        return self._read(call_id)


class Lifespans:
    """The lives of a container's web apps, on the loop of user code."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._begun: dict[Any, asyncio.Task[Any]] = {}

    def start(self, managers: Iterable[Any]) -> None:
        """
        Have each app start up, one after the other.

        Raises:
            Exception: what the SDK says of an app that did not.
        """
        for manager in managers:
            self._begun[manager] = self._loop.create_task(manager.background_task())
            self._loop.run_until_complete(manager.lifespan_startup())

    def stop(self) -> None:
        """
        Have each app that began shut down.

        Raises:
            Exception: what the SDK says of an app that did not.
        """
        begun, self._begun = self._begun, {}
        try:
            for manager in begun:
                shutdown = manager.lifespan_shutdown()
                try:
                    self._loop.run_until_complete(shutdown)
                finally:
                    shutdown.close()  # one that is broken off here has not begun
        finally:
            for life in begun.values():
                life.cancel()

    def drop(self) -> None:
        """Break off all that is on the loop of a container that was taken away."""
        begun, self._begun = self._begun, {}
        if begun and not self._loop.is_running():
            self._loop.run_until_complete(_broken_off(begun))


async def _broken_off(begun: Iterable[Any]) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    tasks |= {asyncio.ensure_future(manager.lifespan_shutdown()) for manager in begun}
    for _ in range(_LAST_TURNS):  # not until they are done: some may never be
        await _turn()
    for task in tasks:
        if not task.done():
            task.cancel()
        elif not task.cancelled():
            task.exception()  # asyncio tells of what nobody asks for
    await _turn()


async def _turn() -> None:
    """Let the loop do all that waits for nothing."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(done.set_result, None)
    await done


def is_web(config: Any) -> bool:
    """Say whether this configuration, if there is one, makes a function a web function."""
    return config is not None and bool(config.type)


def wrapped(
    function: Callable[..., Any], config: api_pb2.WebhookConfig, manager: Any, waiting: Waiting
) -> Wrapped:
    """
    Have user code make its app, or start its server, and return that with the SDK's wrapper.

    Raises:
        TimeoutError: the server has not opened its port; the words are the SDK's.
        Exception: what user code raises.
    """
    if config.type == api_pb2.WEBHOOK_TYPE_ASGI_APP:
        make, function = function, lambda: _waiting_at_sockets(make(), waiting)
    construct = private("modal._runtime.user_code_imports", "construct_webhook_callable")
    made: Wrapped = construct(function, config, manager)
    return made


def _waiting_at_sockets(app: Callable[..., Any], waiting: Waiting) -> Callable[..., Any]:
    """Return an app that says when it waits for a WebSocket; a request it may just listen to."""

    async def waits(scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] == "websocket":
            return await app(scope, lambda: waiting(receive()), send)
        return await app(scope, receive, send)

    return waits
