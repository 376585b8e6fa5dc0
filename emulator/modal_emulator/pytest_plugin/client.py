"""
The client that the SDK keeps for the whole process, lent to one test after another.

The SDK opens a client at the first use and remembers it; module-level handles remember it too.
So the emulator's client must be one and the same for the whole session, in its place only while
a test uses the emulator, and what stood there before must come back untouched.

This is the one place where we touch a part of the SDK that is not public: the slot
`_Client._client_from_env` and the mark `_Client._closed`, both there from 1.0.0 to 1.6.4.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["LentClient"]


class LentClient:
    """The emulator's client, opened by the first test that needs one."""

    def __init__(self) -> None:
        self._client: Any = None

    @contextmanager
    def lent(self) -> Iterator[None]:
        """
        Put the emulator's client in the SDK's slot for the length of the block.

        A client from before is asleep meanwhile: a handle that remembers it is refused with the
        SDK's own `ClientClosed`, and cannot reach another server over an open connection.
        """
        slot = _slot()
        before = slot._client_from_env
        asleep = before is not None and not before._closed
        if asleep:
            before._closed = True
        slot._client_from_env = self._client
        try:
            yield
        finally:
            self._client = slot._client_from_env
            slot._client_from_env = before
            if asleep:
                before._closed = False

    def close(self) -> None:
        """Close the connection, if one was opened."""
        if self._client is None:
            return
        import modal

        with self.lent():
            client: Any = modal.Client.from_env()  # the one in the slot, in its public wrapping
            close = getattr(client, "close", None) or client._close  # public in newer releases
            close()


def _slot() -> Any:
    from modal.client import _Client

    return _Client
