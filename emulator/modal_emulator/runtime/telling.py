"""
What a container's process tells along with the SDK's calls: from which lines of user code.

It puts a header into the calls that are steps, and none into others, which go their way untouched.
"""

import json
from functools import wraps
from typing import Any

from modal_emulator.runtime.asking import NOTING, asking_lines

__all__ = ["CALLS", "HEADER", "tell_lines"]

HEADER = "x-modal-emulator-where"
_SERVICE = "/modal.client.ModalClient/"
# The steps of user code among the SDK's calls; nobody waits for an output to be taken.
CALLS = frozenset(
    (
        "VolumeCommit VolumeReload DictGet DictContains DictLen DictContents DictUpdate DictPop "
        "DictClear QueuePut QueueGet QueueNextItems QueueLen QueueClear FunctionMap "
        "FunctionGetOutputs"
    ).split()
)
"""The RPCs whose callers' lines are looked for."""


def tell_lines() -> None:
    """Have calls of this process tell them, for as long as it lives."""
    from grpclib.client import UnaryUnaryMethod

    paths = frozenset(f"{_SERVICE}{name}" for name in CALLS)
    call: Any = UnaryUnaryMethod.__call__

    @wraps(call)
    async def telling(
        method: Any, message: Any, *, timeout: Any = None, metadata: Any = None
    ) -> Any:
        if method.name in paths:
            metadata = {**dict(metadata or {}), HEADER: json.dumps(asking_lines())}
        return await call(method, message, timeout=timeout, metadata=metadata)

    NOTING.take()
    owner: Any = UnaryUnaryMethod
    owner.__call__ = telling
