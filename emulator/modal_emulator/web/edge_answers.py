"""
Answers that go out as the app, or the edge, has them.

aiohttp would add who it is and what it takes a body for; a client is to see neither.
"""

from typing import Any

from aiohttp import web

__all__ = ["Stream", "Whole"]


class _Plain:
    """Says nothing that it was not told to say, but for the date."""

    _headers: Any

    async def _prepare_headers(self) -> None:
        was_typed = "Content-Type" in self._headers
        await super()._prepare_headers()  # type: ignore[misc]
        self._headers.pop("Server", None)
        if not was_typed:
            self._headers.pop("Content-Type", None)


class Whole(_Plain, web.Response):
    """An answer that is here as a whole."""


class Stream(_Plain, web.StreamResponse):
    """An answer that comes in pieces."""
