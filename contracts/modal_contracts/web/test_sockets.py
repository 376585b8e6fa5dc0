"""WebSockets to an ASGI app."""

from typing import Any

import aiohttp

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred
from modal_contracts.web.asking import talk
from modal_contracts.web.shared import Web

__all__ = ()

GUIDE = documented("guide/webhooks")


@clause("web/a-socket-carries-text-and-bytes", GUIDE)
def test_a_socket_carries_text_and_bytes(web: Web) -> None:
    """Over a WebSocket text and bytes go both ways."""

    async def conversation(socket: aiohttp.ClientWebSocketResponse) -> list[Any]:
        await socket.send_str("ann")
        text = await socket.receive_str()
        await socket.send_bytes(b"123")
        return [text, await socket.receive_bytes()]

    assert talk(web.site.get_web_url(), conversation) == ["ANN", b"321"]


@clause("web/an-app-closes-a-socket", inferred("modal/_serialization.py", "_serialize_asgi"))
def test_an_app_closes_a_socket(web: Web) -> None:
    """The client gets the code with which an app closes a WebSocket."""

    async def conversation(socket: aiohttp.ClientWebSocketResponse) -> Any:
        await socket.send_str("bye")
        return (await socket.receive()).type, socket.close_code

    assert talk(web.site.get_web_url(), conversation) == (aiohttp.WSMsgType.CLOSE, 4001)


@clause("web/a-client-closes-a-socket", inferred("modal/_serialization.py", "_serialize_asgi"))
def test_a_client_closes_a_socket(web: Web) -> None:
    """The app gets the code with which a client closes a WebSocket."""

    async def conversation(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.close(code=4002)

    talk(web.site.get_web_url(), conversation)
    assert web.marks.get(timeout=30) == "closed with 4002"
