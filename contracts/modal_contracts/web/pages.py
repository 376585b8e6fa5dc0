"""
What the web functions of these clauses do.

Sent by reference; only the standard library and `modal` may be imported here.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import parse_qs

import modal

__all__ = [
    "DATA",
    "Desk",
    "Site",
    "files_of",
    "greet",
    "never_listens",
    "pages_of",
    "say_who",
]

DATA = "/data"

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Site:
    """An ASGI app of many pages."""

    def __init__(self, volume: Any, marks: modal.Queue, go: modal.Queue) -> None:
        self._volume = volume
        self._marks = marks
        self._go = go

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live."""
        if scope["type"] == "lifespan":
            await live(scope, receive, send, [])
        elif scope["type"] == "websocket":
            await self._talk(receive, send)
        else:
            page = getattr(self, f"_{scope['path'].strip('/').replace('/', '_')}", self._nothing)
            await page(scope, receive, send)

    async def _nothing(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await reply(send, f"there is no {scope['path']}", 404)

    async def _echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = {name: scope[name] for name in ("method", "path", "type")}
        said["query"] = scope["query_string"].decode()
        said["headers"] = {name.decode(): value.decode() for name, value in scope["headers"]}
        said["body"] = (await body_of(receive)).decode()
        await reply(send, json.dumps(said))

    async def _teapot(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-clause", b"tea")]
        await reply(send, "short and stout", 418, cookies)

    async def _length(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, str(len(await body_of(receive))))

    async def _large(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await reply(send, "x" * int(scope["query_string"]))

    async def _slowly(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await self._go.get.aio()
        await send({"type": "http.response.body", "body": b"last"})

    async def _linger(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        await self._marks.put.aio("gone")

    async def _fail(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("this page fails on purpose")

    async def _state(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await reply(send, str(scope["state"].get("life")))

    async def _who(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await reply(send, json.dumps([say_who(), await asyncio.to_thread(say_who)]))

    async def _read(self, scope: Scope, _receive: Receive, send: Send) -> None:
        path = Path(DATA, scope["query_string"].decode())
        if await asyncio.to_thread(path.exists):
            await reply(send, await asyncio.to_thread(path.read_text, "utf-8"))
        else:
            await reply(send, "not here", 404)

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = Path(DATA, scope["query_string"].decode())
        await asyncio.to_thread(path.write_bytes, await body_of(receive))
        await self._volume.commit.aio()
        await reply(send, "written", 201)

    async def _reload(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await self._volume.reload.aio()
        except RuntimeError as error:
            await reply(send, str(error), 409)
        else:
            await reply(send, "reloaded")

    async def _hold(self, scope: Scope, _receive: Receive, send: Send) -> None:
        def hold(path: str) -> str:
            with Path(path).open("r", encoding="utf-8") as file:
                self._marks.put("held")
                self._go.get()
                return file.read()

        await reply(send, await asyncio.to_thread(hold, f"{DATA}/{scope['query_string'].decode()}"))

    async def _talk(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "bye":
                await send({"type": "websocket.close", "code": 4001, "reason": "bye"})
                return
            if message.get("text") is not None:
                await send({"type": "websocket.send", "text": message["text"].upper()})
            else:
                await send({"type": "websocket.send", "bytes": message["bytes"][::-1]})
        if message.get("code") != 1000:  # nothing out of the ordinary
            await self._marks.put.aio(f"closed with {message.get('code')}")


class Desk:
    """A class with web methods and a whole life."""

    name: str = modal.parameter(default="nobody")

    @modal.enter()
    def begin(self) -> None:
        """Begin to keep a diary."""
        self.diary = ["enter"]

    @modal.asgi_app()
    def pages(self) -> Any:
        """Return an app that shows the diary."""

        async def diary(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await live(scope, receive, send, self.diary)
            else:
                await reply(send, json.dumps([self.name, *self.diary]))

        return diary

    @modal.fastapi_endpoint()
    def hello(self, to: str) -> str:
        """Say hello."""
        return f"{self.name} says hello to {to}"

    @modal.exit()
    def leave(self) -> None:
        """Put the diary into the volume."""
        Path(DATA, "diary.txt").write_text(" ".join([*self.diary, "exit"]), "utf-8")


def pages_of(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Be a WSGI app that says what it was asked."""
    body = environ["wsgi.input"].read()
    asked = [environ["REQUEST_METHOD"], environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])]
    start_response("202 Accepted", [("Content-Type", "application/json"), ("X-Clause", "wsgi")])
    yield json.dumps([*asked, environ.get("HTTP_X_CLAUSE")]).encode()
    yield b"\n"
    yield body


def greet(name: str, times: int = 1) -> dict[str, Any]:
    """Greet somebody."""
    return {"greeting": " ".join([name] * times), "who": say_who()}


def files_of(port: int) -> None:
    """Start a server of files that lasts as long as the container."""
    Path("/tmp/pages").mkdir(exist_ok=True)
    Path("/tmp/pages/a.txt").write_text("a page", "utf-8")
    Popen([sys.executable, "-m", "http.server", str(port), "--directory", "/tmp/pages"])


def never_listens() -> None:
    """Start nothing."""


def say_who() -> dict[str, Any]:
    """Return what code knows of where it runs."""
    return {
        "container": os.environ.get("MODAL_TASK_ID"),
        "word": os.environ.get("CLAUSE_WORD"),
        "input": modal.current_input_id(),
        "call": modal.current_function_call_id(),
        "local": modal.is_local(),
    }


async def live(scope: Scope, receive: Receive, send: Send, diary: list[str]) -> None:
    """Note how a life begins and how it ends."""
    while (await receive())["type"] == "lifespan.startup":
        diary.append("startup")
        scope["state"]["life"] = "began"
        await send({"type": "lifespan.startup.complete"})
    diary.append("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def body_of(receive: Receive) -> bytes:
    """Return the body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def reply(
    send: Send, text: str, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with a text."""
    typed = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": typed})
    await send({"type": "http.response.body", "body": text.encode()})
