"""WebSockets to web functions, as an ordinary client has them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import modal
import pytest
from packaging.version import Version

import webshop
from modal_emulator.emulator import Running

pytestmark = [pytest.mark.slow, pytest.mark.modal(runtime="process")]

# Beyond that it goes by blobs, which the oldest SDK cannot send with a newer aiohttp.
LARGE = 2 << 20 if Version(modal.__version__) >= Version("1.1") else (2 << 20) - 1000

Talk = Callable[[aiohttp.ClientWebSocketResponse], Coroutine[Any, Any, None]]


def talk(work: Talk, offered: tuple[str, ...] = ("a", "b")) -> None:
    async def talking() -> None:
        url = await webshop.front.get_web_url.aio()
        async with aiohttp.ClientSession() as session:
            socket = await session.ws_connect(f"{url}/talk", protocols=offered, max_msg_size=0)
            async with socket:
                await work(socket)

    asyncio.run(asyncio.wait_for(talking(), 60))


def test_messages_go_both_ways(modal_emulator: Running) -> None:
    async def work(socket: aiohttp.ClientWebSocketResponse) -> None:
        assert socket.protocol == "b" and socket._response.headers["X-A"] == "1"
        await socket.send_str("grüß dich")
        assert await socket.receive_str() == "grüß dich"
        for size in (0, LARGE):
            await socket.send_bytes(b"x" * size)
            assert await socket.receive_bytes() == b"x" * size
        await socket.close(code=3456)

    with webshop.app.run():
        talk(work)
        modal_emulator.container("front").wait_for_output("closed with 3456")


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [("bye", 4001, "so long"), ("crash", 1011, ""), ("x" * ((2 << 20) + 1), 1009, None)],
    ids=["the-app", "its-failure", "too-large-a-message"],
)
def test_what_closes_a_connection(
    modal_emulator: Running, said: str, code: int, reason: str | None
) -> None:
    async def work(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str(said)
        last = await socket.receive()
        assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, code)
        assert reason in (None, last.extra)

    with webshop.app.run():
        talk(work)


def test_an_app_may_refuse_and_hears_of_a_client_that_is_gone(modal_emulator: Running) -> None:
    async def vanish(socket: aiohttp.ClientWebSocketResponse) -> None:
        connection = socket._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.abort()

    with webshop.app.run():
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            talk(vanish, offered=())
        assert caught.value.status == 403
        talk(vanish)
        modal_emulator.container("front").wait_for_output("closed with 1006")
