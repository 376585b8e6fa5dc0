"""
The one place where failures become gRPC status codes.

A status can carry details; the only ones are how long a client is to wait before it asks again.
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from grpclib import GRPCError, Status
from grpclib.encoding.base import StatusDetailsCodecBase
from modal_proto import api_pb2

from modal_emulator.ground.errors import Code, EmulatorError
from modal_emulator.schedule.faults import Planned

__all__ = ["STATUS", "Details", "to_grpc"]

STATUS: dict[Code, Status] = {
    Code.NOT_FOUND: Status.NOT_FOUND,
    Code.ALREADY_EXISTS: Status.ALREADY_EXISTS,
    Code.INVALID_ARGUMENT: Status.INVALID_ARGUMENT,
    Code.FAILED_PRECONDITION: Status.FAILED_PRECONDITION,
    Code.UNAUTHENTICATED: Status.UNAUTHENTICATED,
    Code.RESOURCE_EXHAUSTED: Status.RESOURCE_EXHAUSTED,
    # Modal's front door answers 413 without a gRPC status; a status that the SDK does not repeat.
    Code.TOO_LARGE: Status.INVALID_ARGUMENT,
    Code.UNAVAILABLE: Status.UNAVAILABLE,
    Code.DATA_LOSS: Status.DATA_LOSS,
    Code.UNIMPLEMENTED: Status.UNIMPLEMENTED,
    # The SDKs repeat UNKNOWN and INTERNAL silently; see `to_grpc` for what is our own mistake.
    Code.INTERNAL: Status.INTERNAL,
    Code.CANCELLED: Status.CANCELLED,
    Code.UNKNOWN: Status.UNKNOWN,
    Code.DEADLINE_EXCEEDED: Status.DEADLINE_EXCEEDED,
    Code.PERMISSION_DENIED: Status.PERMISSION_DENIED,
    Code.ABORTED: Status.ABORTED,
    Code.OUT_OF_RANGE: Status.OUT_OF_RANGE,
}


def to_grpc(error: EmulatorError) -> GRPCError:
    """Return the error as the wire says it."""
    wait = error.retry_after if isinstance(error, Planned) else None
    policy = getattr(api_pb2, "RPCRetryPolicy", None)  # older SDKs know of none
    if wait is None or policy is None:
        return GRPCError(STATUS[error.code], error.message)
    return GRPCError(STATUS[error.code], error.message, [policy(retry_after_secs=wait)])


class Details(StatusDetailsCodecBase):
    """Sends details as the SDK reads them (SDK:_utils/grpc_utils.py)."""

    def encode(
        self, status: Status, message: str | None, details: Sequence[Message] | None
    ) -> bytes:
        """Return the bytes of a status with its details."""
        sent = api_pb2.RPCStatus(code=status.value, message=message or "")
        for detail in details or ():
            sent.details.add().Pack(detail, type_url_prefix="type.modal.com/")
        return sent.SerializeToString()

    def decode(self, status: Status, message: str | None, data: bytes) -> Any:
        """Return nothing: no client sends any."""
