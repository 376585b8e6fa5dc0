"""
What the edge answers when no app does: texts and codes as they were seen on Modal.

Those of modal-semantics 6 are word for word; each that is a guess says so.
"""

from modal_emulator.web.edge_answers import Whole

__all__ = [
    "BAD_CREDENTIALS",
    "BAD_METHOD",
    "NO_CREDENTIALS",
    "STRANGE_HOST",
    "TERMINATED",
    "TIMED_OUT",
    "TOO_MANY",
    "UNKNOWN",
    "internal",
    "refusal",
]

UNKNOWN = "modal-http: invalid function call"  # [observed]
NO_CREDENTIALS = "modal-http: missing credentials for proxy authorization"  # [doc]
BAD_CREDENTIALS = "modal-http: invalid credentials for proxy authorization"  # [guess]
BAD_METHOD = "modal-http: bad redirect method"  # [observed], its code is not
TOO_MANY = "modal-http: rate limit exceeded"  # 429 [doc], its text [guess]
STRANGE_HOST = "modal-emulator: this address does not answer for that host"  # ours


def internal(why: str) -> str:
    """Say what went wrong behind the edge."""
    return f"modal-http: internal error: {why}"


TIMED_OUT = internal("function execution timed out")  # [observed]
TERMINATED = internal("function was terminated by signal")  # [observed]


def refusal(status: int, text: str) -> Whole:
    """Return a plain answer of the edge's own."""
    return Whole(status=status, text=text)
