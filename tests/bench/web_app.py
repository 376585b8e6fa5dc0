"""One app of plain ASGI, as a web function and for any other server."""

from collections.abc import Awaitable, Callable
from typing import Any

import modal

BODY = b"Hello, world!"

app = modal.App("bench-web")


@app.function(max_containers=1)
@modal.concurrent(max_inputs=100)
@modal.asgi_app()
def page() -> Any:
    return hello


async def hello(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
