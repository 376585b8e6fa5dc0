"""
WebSockets: messages both ways until either end closes.

A message may have 2 MiB, and none is compressed (modal-semantics 6 [doc]).
"""

import asyncio
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from modal_emulator.web.edge_call import WebCall
from modal_emulator.web.edge_errors import refusal

__all__ = ["ABNORMAL", "conversed", "is_websocket"]

MOST = 2 << 20
ABNORMAL, WITHOUT_CODE = 1006, 1005


def is_websocket(request: web.BaseRequest) -> bool:
    """Say whether a request is to become a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def conversed(request: web.BaseRequest, call: WebCall, until: float) -> web.StreamResponse:
    """
    Let client and app talk until either closes.

    Raises:
        Late: the app has not decided until this instant whether it accepts.
    """
    call.begin({"type": "websocket.connect"})
    first = await call.next(until)
    if first is None:
        return refusal(500, call.failure())
    if first["type"] != "websocket.accept":
        return refusal(403, "")  # as ASGI has it for a close before the acceptance
    chosen = (first["subprotocol"],) if first["subprotocol"] else ()
    socket = web.WebSocketResponse(protocols=chosen, compress=False, max_msg_size=MOST + 1)
    for name, value in first["headers"]:
        socket.headers.add(name.decode("latin-1"), value.decode("latin-1"))
    await socket.prepare(request)
    speaking = asyncio.ensure_future(_speak(socket, call))
    try:
        await _listen(socket, call)
    finally:
        speaking.cancel()
        with suppress(asyncio.CancelledError):
            await speaking
    return socket


async def _listen(socket: web.WebSocketResponse, call: WebCall) -> None:
    """Tell the app what the client says, and in the end that it is gone."""
    while True:
        message = await socket.receive()
        if message.type is WSMsgType.TEXT:
            call.tell({"type": "websocket.receive", "text": message.data})
        elif message.type is WSMsgType.BINARY:
            call.tell({"type": "websocket.receive", "bytes": message.data})
        else:
            code = socket.close_code or WITHOUT_CODE
            call.tell({"type": "websocket.disconnect", "code": int(code)})
            return
        await call.attention()


async def _speak(socket: web.WebSocketResponse, call: WebCall) -> None:
    """Tell the client what the app says; closes with it, or when it ends."""
    while (message := await call.next(idle=True)) is not None:
        if message["type"] == "websocket.close":
            await socket.close(code=message["code"], message=message["reason"].encode())
            return
        if message["type"] != "websocket.send":
            continue
        data = message["text"] if message["text"] is not None else message["bytes"] or b""
        size = len(data.encode() if isinstance(data, str) else data)
        if size > MOST:  # what Modal does with these is a guess
            await socket.close(code=WSCloseCode.MESSAGE_TOO_BIG)
            return
        await (socket.send_str(data) if isinstance(data, str) else socket.send_bytes(data))
    ended_well = call.succeeded
    await socket.close(code=WSCloseCode.OK if ended_well else WSCloseCode.INTERNAL_ERROR)
