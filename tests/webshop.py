"""A web function of plain ASGI that says what it was sent, for tests of the edge."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import modal

__all__ = ["Desk", "app", "front", "guarded"]

app = modal.App("webshop")

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@app.function(timeout=440)
@modal.concurrent(max_inputs=20)
@modal.asgi_app()
def front() -> Any:
    return answer


@app.function()
@modal.asgi_app(requires_proxy_auth=True)
def guarded() -> Any:
    return answer


@app.cls()
class Desk:
    who: str = modal.parameter(default="nobody")
    number: int = modal.parameter(default=1)

    @modal.asgi_app()
    def greet(self) -> Any:
        async def greeting(scope: Any, receive: Receive, send: Send) -> None:
            assert scope["type"] == "http"
            await say(send, f"{self.who} at {self.number}".encode())

        return greeting


async def answer(scope: Any, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await WAYS[scope["path"]](scope, receive, send)


async def say(send: Send, body: bytes, status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def scope_of(scope: Any, receive: Receive, send: Send) -> None:
    shown = {**scope, "body": await body_of(receive), "headers": [*map(list, scope["headers"])]}
    await say(send, json.dumps(shown, default=lambda value: value.decode("latin-1")).encode())


async def length(scope: Any, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await say(send, str(size).encode())


async def pieces(scope: Any, receive: Receive, send: Send) -> None:
    """Answer piece by piece, each when the client says so."""
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")] * 2})
    while True:
        message = await receive()
        await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        if not message["more_body"]:
            break
    await send({"type": "http.response.body", "body": b"end"})


async def large(scope: Any, receive: Receive, send: Send) -> None:
    await say(send, b"x" * int(scope["query_string"]))


async def until_gone(scope: Any, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    print("the client is gone", flush=True)


async def wait(scope: Any, receive: Receive, send: Send) -> None:
    await asyncio.sleep(float(scope["query_string"]))
    await say(send, b"at last")


async def crash(scope: Any, receive: Receive, send: Send) -> None:
    raise ValueError("before the answer")


async def crash_later(scope: Any, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("within the answer")


async def die(scope: Any, receive: Receive, send: Send) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def cookies(scope: Any, receive: Receive, send: Send) -> None:
    await say(send, b"", 204, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])


async def talk(scope: Any, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    if not scope["subprotocols"]:
        await send({"type": "websocket.close"})
        return
    chosen = scope["subprotocols"][-1]
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-a", b"1")]})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "bye":
            await send({"type": "websocket.close", "code": 4001, "reason": "so long"})
            return
        if message.get("text") == "crash":
            raise ValueError("while talking")
        said = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **said})
    print(f"closed with {message['code']}", flush=True)


WAYS = {
    "/talk": talk,
    "/scope of": scope_of,
    "/length": length,
    "/pieces": pieces,
    "/large": large,
    "/until-gone": until_gone,
    "/wait": wait,
    "/crash": crash,
    "/crash-later": crash_later,
    "/die": die,
    "/cookies": cookies,
}
