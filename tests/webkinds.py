"""Web functions of every kind that the SDK has, written with as little as there is."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import modal

app = modal.App("webkinds")
shelf = modal.Volume.from_name("shelf", create_if_missing=True)
word = modal.Secret.from_dict({"WORD": "swordfish"})
SHELF = Path("/shelf")
heard: list[object] = []

Scope = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]


async def reply(send: Send, body: bytes, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-kind", b"asgi")]})
    await send({"type": "http.response.body", "body": body})


def facts() -> dict[str, object]:
    return {
        "task": os.environ["MODAL_TASK_ID"],
        "word": os.environ.get("WORD"),
        "local": modal.is_local(),
        "input": modal.current_input_id(),
        "call": modal.current_function_call_id(),
        "shelf": sorted(each.name for each in SHELF.iterdir()) if SHELF.is_dir() else None,
        "thread": threading.get_ident(),
    }


async def echo(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.disconnect":
            heard.append(message["code"])
            return
        else:
            await send({"type": "websocket.send", "text": message["text"].upper()})


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["path"] == "/facts":
        here = facts()
        there = await asyncio.to_thread(facts)
        await reply(send, json.dumps([here, there]).encode())
    elif scope["path"] == "/length":
        length, more = 0, True
        while more:
            message = await receive()
            length, more = length + len(message["body"]), message["more_body"]
        await reply(send, str(length).encode())
    elif scope["path"] == "/large":
        await reply(send, bytes(int(scope["query_string"])))
    elif scope["path"] == "/wait":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"waiting", "more_body": True})
        try:
            while (message := await receive())["type"] != "http.disconnect":
                pass
            heard.append("disconnected")
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise
    elif scope["path"] == "/nap":
        await asyncio.gather(asyncio.sleep(10), asyncio.sleep(30), asyncio.sleep(20))
        await reply(send, str(time.time()).encode())
    elif scope["path"] == "/fail":
        raise LookupError("no such page")
    else:
        await reply(send, f"{scope['state'].get('began')} {scope['path']}".encode(), 404)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["began"] = "began"
    heard.append("startup")
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    heard.append("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


@app.function(volumes={str(SHELF): shelf}, secrets=[word])
@modal.asgi_app()
def asgi() -> Any:
    return application


@app.function(max_containers=1)
@modal.concurrent(max_inputs=8)
@modal.asgi_app()
def together() -> Any:
    waiting: list[asyncio.Event] = []

    async def three(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        mine = asyncio.Event()
        waiting.append(mine)
        if len(waiting) == 3:
            for each in waiting:
                each.set()
        await mine.wait()
        await reply(send, str(threading.get_ident()).encode())

    return three


@app.function(secrets=[word], volumes={str(SHELF): shelf})
@modal.wsgi_app()
def wsgi() -> Any:
    def wsgi_application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("201 Created", [("Content-Type", "application/json")])
        body = environ["wsgi.input"].read()
        yield json.dumps([environ["REQUEST_METHOD"], body.decode()]).encode()
        yield json.dumps(facts()).encode()

    return wsgi_application


@app.function(secrets=[word], volumes={str(SHELF): shelf})
@modal.fastapi_endpoint(method="POST", docs=True)
def endpoint(name: str, times: int = 1) -> dict[str, object]:
    """Say a name."""
    return {"said": name * times, **facts()}


@app.function()
@modal.fastapi_endpoint()
def nap(seconds: float) -> float:
    began = time.time()
    time.sleep(seconds)
    return time.time() - began


PAGE = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.path} {self.headers['X-Forwarded-For']} {os.environ['MODAL_TASK_ID']}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("0.0.0.0", 8471), Page).serve_forever()
"""


@app.function()
@modal.web_server(8471, startup_timeout=20)
def server() -> None:
    subprocess.Popen([sys.executable, "-c", PAGE])  # a thread would outlive its container


@app.function()
@modal.web_server(8473, startup_timeout=20)
def slow() -> None:
    subprocess.Popen(["sh", "-c", "sleep 0.3; exec python -m http.server 8473"])


@app.function()
@modal.web_server(8472, startup_timeout=0.05)
def late() -> None:
    pass


@app.cls(volumes={str(SHELF): shelf})
class Shop:
    name: str = modal.parameter(default="corner")

    @modal.enter()
    def open(self) -> None:
        self.goods = ["tea"]
        heard.append("enter")

    @modal.asgi_app()
    def web(self) -> Any:
        @asynccontextmanager
        async def life(_app: Any) -> AsyncIterator[None]:
            heard.append("startup")
            yield
            heard.append("shutdown")

        from fastapi import FastAPI

        page = FastAPI(lifespan=life)

        @page.get("/goods")
        def goods() -> list[str]:
            return [self.name, *self.goods]

        return page

    @modal.fastapi_endpoint()
    async def price(self, of: str) -> str:
        return f"{of} at {self.name}: {len(of)}"

    @modal.method()
    def count(self) -> int:
        return len(self.goods)

    @modal.exit()
    def close(self) -> None:
        heard.append("exit")
        Path(SHELF, "closed.txt").write_text(" ".join(map(str, heard)))
