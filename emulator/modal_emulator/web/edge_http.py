"""
Requests and answers over HTTP: bodies go through in pieces, both ways, and nothing is kept.

An answer that has not begun after 150 seconds of the emulator's clock becomes a redirect (303) to
where it can be waited for again (modal-semantics 6 [doc]).
"""

import asyncio
from contextlib import suppress

from aiohttp import web
from multidict import CIMultiDict

from modal_emulator.web.edge_answers import Stream, Whole
from modal_emulator.web.edge_call import Message, WebCall
from modal_emulator.web.edge_errors import refusal

__all__ = ["answered", "begin", "end"]

PIECE = 1 << 20
EMPTY = frozenset({204, 304})
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# What belongs to one connection only, and not to that of the client.
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade"})


def begin(request: web.BaseRequest, call: WebCall) -> "asyncio.Task[None] | None":
    """Queue the call; a body goes in by a task of its own, so that the answer may come before."""
    if not request.body_exists:
        call.begin(_part(b"", False))
        return None
    return asyncio.ensure_future(_send_body(request, call))


async def answered(request: web.BaseRequest, call: WebCall, until: float) -> web.StreamResponse:
    """
    Send the app's answer to the client.

    Raises:
        Late: it has not begun until this instant.
    """
    start = await call.next(until)
    if start is None:
        return refusal(500, call.failure())
    headers = CIMultiDict(
        (name, _text(value))
        for raw, value in start["headers"]
        if (name := _text(raw)).lower() not in _HOP
    )
    # ASGI has the server wait for the first part of the body, which often is the whole of it.
    body = await call.next()
    silent = request.method == "HEAD" or start["status"] in EMPTY
    if body is not None and not body["more_body"] and not silent:
        return _whole(start["status"], headers, body["body"])
    response = Stream(status=start["status"], headers=headers)
    await response.prepare(request)
    left = None if silent else response.content_length
    while body is not None and body["type"] == "http.response.body":
        if not silent:
            await _write(response, body["body"])
            left = None if left is None else left - len(body["body"])
        if not body["more_body"]:
            if left:
                break
            return response
        body = await call.next()
    return await _break_off(request)


async def end(task: "asyncio.Task[None] | None") -> None:
    """Bring no more of the body in."""
    if task is not None and not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _send_body(request: web.BaseRequest, call: WebCall) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(CONTINUE)
    call.begin(_part(await request.content.readany(), True))
    while data := await request.content.readany():
        await call.attention()
        call.tell(_part(data, True))
    call.tell(_part(b"", False))


def _part(body: bytes, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def _whole(status: int, headers: CIMultiDict[str], body: bytes) -> web.StreamResponse:
    said = headers.get("Content-Length")
    if said is not None and said != str(len(body)):
        return refusal(500, "modal-http: internal error: Content-Length does not match the body")
    return Whole(status=status, headers=headers, body=body)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    view = memoryview(data)
    for start in range(0, len(data), PIECE):
        await response.write(view[start : start + PIECE])


async def _break_off(request: web.BaseRequest) -> web.StreamResponse:
    """Cut the connection, so that the client knows that this is not all."""
    if request.transport is not None:
        request.transport.abort()
    never: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()
    return await never  # until the loss of the connection cancels this


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # it will arrive as UTF-8
