"""Requests as scopes of ASGI."""

from urllib.parse import unquote

from aiohttp import web

from modal_emulator.web.edge_call import Message

__all__ = ["RESULT_OF", "awaited", "http_scope", "own_url", "websocket_scope"]

RESULT_OF = "__modal_function_call_id"
"""The parameter of the URL at which a late answer waits (modal-semantics 6 [guess] in its name)."""

# They are for the edge; that an app does not see them is a guess.
_CREDENTIALS = frozenset({b"modal-key", b"modal-secret"})


def http_scope(request: web.BaseRequest) -> Message:
    """Return the scope of a request."""
    return {"type": "http", "method": request.method, **_shared(request, request.scheme)}


def websocket_scope(request: web.BaseRequest) -> Message:
    """Return the scope of a request that is to become a WebSocket."""
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    scheme = "wss" if request.secure else "ws"
    return {
        "type": "websocket",
        "subprotocols": [name.strip() for name in offered.split(",") if name.strip()],
        **_shared(request, scheme),
    }


def awaited(request: web.BaseRequest) -> str:
    """Return the id of the call whose answer a request asks for, or nothing."""
    return request.query.get(RESULT_OF, "") if RESULT_OF in request.raw_path else ""


def own_url(request: web.BaseRequest, call_id: str) -> str:
    """Return the URL at which the answer to a request can be asked for."""
    path, _, query = request.raw_path.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(f"{RESULT_OF}=")]
    where = f"{request.scheme}://{request.host}" if "Host" in request.headers else ""
    return f"{where}{path}?" + "&".join([*kept, f"{RESULT_OF}={call_id}"])


def _is_token(name: bytes, value: bytes) -> bool:
    return name == b"authorization" and value[:10].lower() == b"bearer wk-"


def _shared(request: web.BaseRequest, scheme: str) -> dict[str, object]:
    path, _, query = request.raw_path.partition("?")
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return {
        "http_version": f"{request.version.major}.{request.version.minor}",
        "scheme": scheme,
        "path": unquote(path) if "%" in path else path,
        "query_string": query.encode(),
        "headers": [
            (lower, value)
            for name, value in request.raw_headers
            if (lower := name.lower()) not in _CREDENTIALS and not _is_token(lower, value)
        ],
        **({"client": tuple(peer[:2])} if peer else {}),
    }
