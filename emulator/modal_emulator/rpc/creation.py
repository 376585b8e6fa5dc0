"""How objects come to be, between the wire's words and ours."""

from __future__ import annotations

from modal_proto import api_pb2

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.names import Creation

__all__ = ["creation", "creation_info"]

CREATIONS: dict[int, Creation] = {
    api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED: Creation.LOOKUP,
    api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING: Creation.CREATE_IF_MISSING,
    api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS: Creation.CREATE_FAIL_IF_EXISTS,
    api_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS: Creation.CREATE_OVERWRITE_IF_EXISTS,
    api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP: Creation.ANONYMOUS,
    api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL: Creation.EPHEMERAL,
}


def creation(number: int) -> Creation:
    """Return what an ObjectCreationType asks for."""
    try:
        return CREATIONS[number]
    except KeyError:
        raise Invalid(f"unknown object creation type {number}") from None


def creation_info(created_at: float, created_by: str) -> api_pb2.CreationInfo | None:
    """Return who made an object and when; SDKs before 1.1 know no such message."""
    if not hasattr(api_pb2, "CreationInfo"):
        return None
    return api_pb2.CreationInfo(created_at=created_at, created_by=created_by)
