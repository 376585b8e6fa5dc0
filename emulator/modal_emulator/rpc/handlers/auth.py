"""Saying hello, tokens, and who the caller is."""

from __future__ import annotations

import base64
import json

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.ground.clock import machine_time
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.credentials import DEMO_TOKEN_ID
from modal_emulator.rpc.tables import Rpc, full
from modal_emulator.world import WORKSPACE, World

__all__ = ["RPCS"]

LIFETIME = 3600  # seconds that a short-lived token is good for


async def client_hello(world: World, call: Call[Empty]) -> api_pb2.ClientHelloResponse:
    """Answer the greeting."""
    return known(
        api_pb2.ClientHelloResponse, image_builder_version=world.settings.image_builder_version
    )


async def auth_token_get(
    world: World, call: Call[api_pb2.AuthTokenGetRequest]
) -> api_pb2.AuthTokenGetResponse:
    """Give a token in the shape of a JWT, of which the SDKs read the expiry."""
    # Whoever reads it may follow either time.
    expiry = int(max(world.clock.now(), machine_time())) + LIFETIME
    return api_pb2.AuthTokenGetResponse(token=_token(expiry))


async def workspace_name_lookup(
    world: World, call: Call[Empty]
) -> api_pb2.WorkspaceNameLookupResponse:
    """Name the one workspace there is."""
    return known(api_pb2.WorkspaceNameLookupResponse, workspace_name=WORKSPACE, username=WORKSPACE)


async def token_info_get(world: World, call: Call[Empty]) -> api_pb2.TokenInfoGetResponse:
    """Describe the demo token."""
    return known(
        api_pb2.TokenInfoGetResponse,
        token_id=DEMO_TOKEN_ID,
        workspace_id="ac-" + "0" * 22,
        workspace_name=WORKSPACE,
        token_name="demo token",  # noqa: S106 (a label)
    )


def _token(expiry: int) -> str:
    """
    Return an unsigned token.

    The JS SDK decodes the payload with atob, which knows no `-` and `_`; spaces after the JSON
    move the letters until there is none of them (wire facts, point 2).
    """
    header = base64.b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    text = json.dumps({"exp": expiry})
    while True:
        payload = base64.b64encode(text.encode()).decode().rstrip("=")
        if "+" not in payload and "/" not in payload:
            return f"{header}.{payload}.demo"
        text += " "


RPCS: dict[str, Rpc] = {
    "ClientHello": full(client_hello),
    "AuthTokenGet": full(auth_token_get),
    "WorkspaceNameLookup": full(workspace_name_lookup),
    "TokenInfoGet": full(token_info_get),
}
