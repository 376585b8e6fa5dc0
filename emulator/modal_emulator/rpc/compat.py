"""Replies for SDKs of several ages: fields that the installed protocol lacks are left out."""

from typing import Any, TypeVar

from google.protobuf.message import Message

__all__ = ["known"]

Reply = TypeVar("Reply", bound=Message)


def known(message: type[Reply], **fields: Any) -> Reply:
    """Make a message from those fields that its type has in the installed `modal_proto`."""
    names = message.DESCRIPTOR.fields_by_name
    return message(**{name: value for name, value in fields.items() if name in names})
