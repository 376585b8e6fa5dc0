"""
What can go wrong, as values that every floor can raise.

A failure carries a code, a message for the user, and whether the thing asked for
certainly did not happen. Translation to gRPC status codes lives in `rpc/status.py`,
to HTTP status codes in `web/`; nothing here knows a protocol.
"""

from enum import Enum

__all__ = [
    "AlreadyExists",
    "Code",
    "Conflict",
    "DataLoss",
    "EmulatorError",
    "Exhausted",
    "Invalid",
    "NotBuilt",
    "NotFound",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
]


class Code(Enum):
    """The kinds of failure, named as gRPC names them."""

    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    INVALID_ARGUMENT = "invalid_argument"
    FAILED_PRECONDITION = "failed_precondition"
    UNAUTHENTICATED = "unauthenticated"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"
    DATA_LOSS = "data_loss"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"
    # These only come of faults that somebody planned.
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    PERMISSION_DENIED = "permission_denied"
    ABORTED = "aborted"
    OUT_OF_RANGE = "out_of_range"


class EmulatorError(Exception):
    """
    A failure with a code.

    `definite` is true when certainly nothing was changed; a caller may then repeat
    the call without asking what happened to the first one.
    """

    code: Code = Code.INTERNAL
    definite: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(EmulatorError):
    """The named thing does not exist."""

    code = Code.NOT_FOUND
    definite = True


class AlreadyExists(EmulatorError):
    """The name is taken."""

    code = Code.ALREADY_EXISTS
    definite = True


class Invalid(EmulatorError):
    """The request cannot be understood or is out of bounds."""

    code = Code.INVALID_ARGUMENT
    definite = True


class Conflict(EmulatorError):
    """The state of things does not allow the request now."""

    code = Code.FAILED_PRECONDITION
    definite = True


class Unauthenticated(EmulatorError):
    """The caller did not say who it is, or said it wrongly."""

    code = Code.UNAUTHENTICATED
    definite = True


class Exhausted(EmulatorError):
    """A limit is reached; the same request may pass later."""

    code = Code.RESOURCE_EXHAUSTED
    definite = True


class TooLarge(EmulatorError):
    """The request carries more than may be sent at once."""

    code = Code.TOO_LARGE
    definite = True


class Unavailable(EmulatorError):
    """Something that is needed and is not ours cannot be reached."""

    code = Code.UNAVAILABLE


class DataLoss(EmulatorError):
    """Bytes arrived damaged, or could not be kept."""

    code = Code.DATA_LOSS


class NotBuilt(EmulatorError):
    """The emulator does not offer this; the message names it and the page to read."""

    code = Code.UNIMPLEMENTED
    definite = True
