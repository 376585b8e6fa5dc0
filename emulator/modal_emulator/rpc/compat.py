"""Replies for SDKs of several ages: fields that the installed protocol lacks are left out."""

from typing import Any, TypeVar

from google.protobuf.message import Message

__all__ = ["has", "known"]

Reply = TypeVar("Reply", bound=Message)


def known(message: type[Reply], **fields: Any) -> Reply:
    """Make a message from those fields that its type has in the installed `modal_proto`."""
    names = message.DESCRIPTOR.fields_by_name
    return message(**{name: value for name, value in fields.items() if name in names})


def has(message: Message, name: str) -> bool:
    """Say whether the field is there in the installed protocol and set in this message."""
    return name in message.DESCRIPTOR.fields_by_name and message.HasField(name)
