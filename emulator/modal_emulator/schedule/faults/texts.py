"""
What Modal says when something fails, where its words are known.

The rest is said in words of ours, which no program should look for.
"""

from fnmatch import fnmatchcase

from modal_emulator.ground.errors import Code

__all__ = ["NOT_PUBLISHED", "RATE_LIMITED", "RETRIED", "words_of"]

# Word for word (modal-semantics 1.10, 1.3, 4 [observed]). The first names the RPC of older SDKs;
# that the newer one's says the same is a guess.
RATE_LIMITED = "VolumeListFiles rate limit exceeded. Please wait and retry."
NOT_PUBLISHED = "failed to publish commit to server"

KNOWN = (
    ("VolumeListFiles*", Code.RESOURCE_EXHAUSTED, RATE_LIMITED),
    ("VolumeCommit", Code.DATA_LOSS, NOT_PUBLISHED),
)

RETRIED = frozenset(
    {Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE, Code.CANCELLED, Code.INTERNAL, Code.UNKNOWN}
)
"""
What the SDK tries again by itself (SDK:_utils/grpc_utils.py `RETRYABLE_GRPC_STATUS_CODES`).

Three times for most RPCs, after 0.1, 0.2 and 0.4 seconds of the machine's; VolumeCommit 90 times,
after at most a second each.
"""


def words_of(rpc: str, code: Code) -> str:
    """Return the message of an error that names none."""
    for pattern, known, words in KNOWN:
        if known is code and (fnmatchcase(rpc, pattern) or rpc == pattern):
            return words
    return f"{code.name}, as planned"
