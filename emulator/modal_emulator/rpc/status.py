"""The one place where failures become gRPC status codes."""

from grpclib import GRPCError, Status

from modal_emulator.ground.errors import Code, EmulatorError

__all__ = ["STATUS", "to_grpc"]

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
}


def to_grpc(error: EmulatorError) -> GRPCError:
    """Return the error as the wire says it."""
    return GRPCError(STATUS[error.code], error.message)
