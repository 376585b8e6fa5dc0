"""One call as a handler sees it: the request and who asks, without a stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

__all__ = ["TIMEOUT", "Call", "Req"]

TIMEOUT = "grpc-timeout"
"""Among the headers: for how many seconds the caller waits for the answer, if it says so."""

Req = TypeVar("Req", bound=Message)


@dataclass(frozen=True, slots=True)
class Call(Generic[Req]):
    """A request together with what its envelope says."""

    request: Req
    container_id: str | None = None
    """The container that calls, known from the socket it came in by; None for clients outside."""
    is_near: bool = False
    """Whether the SDK that calls tells the time by the emulator's clock where it waits."""
    metadata: Mapping[str, str] | None = None
    """Request headers by lower-cased name."""
    where: tuple[str, ...] = ()
    """The lines of user code that call, as in `Step`; empty where nobody knows them."""
