"""What web functions answer is looked through for values of secrets."""

import asyncio
import gzip
import os

import aiohttp
import httpx
import modal
import pytest

from modal_emulator.emulator import Running

TOKEN = "t0ken-of-the-partner"

GZIPPED = (b"content-encoding", b"gzip")

app = modal.App("leaking-web")


@app.function(secrets=[modal.Secret.from_name("partner")])
@modal.asgi_app()
def web():  # type: ignore[no-untyped-def]
    async def answer(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": os.environ["TOKEN"]})
            await send({"type": "websocket.close", "code": 1000})
        if scope["type"] != "http":
            return
        token, path = os.environ["TOKEN"].encode(), scope["path"]
        headers = {"/header": [(b"x-debug", b"a=" + token)], "/gzip": [GZIPPED]}.get(path, [])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        packed = gzip.compress(b'{"token": "' + token)
        pieces = {
            "/body": [b'{"token": "' + token],
            "/streamed": [b"x" * 9 + token[:5], token[5:]],
            "/gzip": [packed[:15], packed[15:]],
        }
        for piece in pieces.get(path, [b"fine"]):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return answer


PLACES = {
    "/header": ["TOKEN of secret 'partner' is in a header of an answer of web"],
    "/body": ["TOKEN of secret 'partner' is in the body of an answer of web"],
    "/streamed": ["TOKEN of secret 'partner' is in the body of an answer of web"],
    "/gzip": ["TOKEN of secret 'partner' is in the body of an answer of web, as gzip"],
    "/fine": [],
}


@pytest.mark.modal(runtime="inline")
@pytest.mark.parametrize("path", PLACES)
def test_answers_are_looked_through(modal_emulator: Running, path: str) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    app.deploy()
    httpx.get(f"{web.get_web_url()}{path}", timeout=30).raise_for_status()
    found = modal_emulator.journal("finding")
    assert [event.values["title"] for event in found] == PLACES[path]
    for event in found:
        assert f"to a request for {path}" in str(event.values["text"])
        assert event.values["container_id"]


@pytest.mark.modal(runtime="inline")
def test_messages_of_websockets_are_looked_through(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    app.deploy()
    url = f"{web.get_web_url()}/ws"

    async def hear() -> str:
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(url) as socket,
        ):
            return await socket.receive_str()

    assert asyncio.run(hear()) == TOKEN
    found = [event.values["title"] for event in modal_emulator.journal("finding")]
    assert found == PLACES["/body"]
