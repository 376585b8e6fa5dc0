"""
A call of one message and one reply over a `Link`: answered where it stands, with no stream.

It is grpclib's own `UnaryUnaryMethod.__call__` with the steps between the two sides left out: the
same events in the same order, the same deadline, the same checks, the same error at the end.
"""

from functools import lru_cache
from typing import Any

from grpclib import GRPCError, Status
from grpclib.client import UnaryUnaryMethod
from grpclib.encoding.base import GRPC_CONTENT_TYPE
from grpclib.metadata import Deadline, encode_metadata
from grpclib.utils import DeadlineWrapper, Wrapper
from multidict import MultiDict

from modal_emulator.rpc.call import TIMEOUT
from modal_emulator.rpc.links import Answer, Link

__all__ = ["ask"]

Method = UnaryUnaryMethod[Any, Any]


async def ask(
    link: Link, method: Method, message: Any, timeout: float | None, metadata: Any
) -> Any:
    """Return the reply to a message."""
    if timeout is None:
        return await _ask(link, Wrapper(), method, message, None, metadata)
    deadline, wrapper = Deadline.from_timeout(timeout), DeadlineWrapper()
    with wrapper.start(deadline):
        return await _ask(link, wrapper, method, message, deadline, metadata)


async def _ask(
    link: Link,
    wrapper: Wrapper,
    method: Method,
    message: Any,
    deadline: Deadline | None,
    metadata: Any,
) -> Any:
    channel, events = method.channel, method.channel.__dispatch__
    with wrapper:
        (sent,) = await events.send_request(
            MultiDict(metadata or ()),
            method_name=method.name,
            deadline=deadline,
            content_type=GRPC_CONTENT_TYPE,
        )
        texts = _texts(sent)
        if deadline is not None:
            texts[TIMEOUT] = str(deadline.time_remaining())
        (message,) = await events.send_message(message)
        request = channel._codec.encode(message, method.request_type)
        link.waiting.add(wrapper)
        try:
            answer = await link.server.answer_one(link, method.name, texts, request)
        finally:
            link.waiting.discard(wrapper)
        await events.recv_initial_metadata(MultiDict())
        reply = None
        if answer.reply is not None:
            reply = channel._codec.decode(answer.reply, method.reply_type)
            (reply,) = await events.recv_message(reply)
        await _close(events, answer)
    return reply


async def _close(events: Any, answer: Answer) -> None:
    await events.recv_trailing_metadata(
        MultiDict(),
        status=answer.status,
        status_message=answer.message,
        status_details=answer.details,
    )
    if answer.status is not Status.OK:
        raise GRPCError(answer.status, answer.message, answer.details)


def _texts(metadata: Any) -> dict[str, str]:
    """Return the metadata as the other side gets it, but for binary values, which nobody reads."""
    texts = {}
    for key, value in metadata.items():
        # What fits is seen without regular expressions; ASCII is printable from space to tilde.
        if not (_is_plain(key) and type(value) is str and value.isascii() and value.isprintable()):
            break
        texts[key] = value
    else:
        if all(texts.values()):
            return texts
    return {key: value for key, value in encode_metadata(metadata) if not key.endswith("-bin")}


@lru_cache(maxsize=256)
def _is_plain(key: str) -> bool:
    if key.endswith("-bin"):
        return False
    try:
        encode_metadata([(key, "x")])
    except ValueError:
        return False
    return True
