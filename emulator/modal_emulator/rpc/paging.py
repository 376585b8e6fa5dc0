"""How listings are asked for in pages: newest first, each page older than the last one's end."""

from dataclasses import dataclass

from google.protobuf.message import Message

__all__ = ["Page", "page"]


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a listing is wanted; None means no bound."""

    limit: int | None = None
    created_before: float | None = None


def page(request: Message) -> Page:
    """Return the page that a list request asks for; SDKs before 1.1 know none and want all."""
    if "pagination" not in request.DESCRIPTOR.fields_by_name or not request.HasField("pagination"):
        return Page()
    asked = getattr(request, "pagination")  # noqa: B009 (the field is not in every release)
    return Page(asked.max_objects or None, asked.created_before or None)
