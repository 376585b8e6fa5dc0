"""Proxy tokens: what lets a client pass the edge to a web function that asks for it."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import has
from modal_emulator.rpc.tables import Rpc, full
from modal_emulator.store.web_tokens import WebToken
from modal_emulator.world import WORKSPACE, World

__all__ = ["RPCS"]


async def token_create(
    world: World, call: Call[api_pb2.WebhookTokenCreateRequest]
) -> api_pb2.TokenCreateResponse:
    """Make a token; its secret is told here and nowhere else."""
    token, secret = world.web_tokens.create(call.request.name, scoped=call.request.scoped)
    return api_pb2.TokenCreateResponse(token_id=token.token_id, token_secret=secret)


async def token_update(
    world: World, call: Call[api_pb2.WebhookTokenUpdateRequest]
) -> api_pb2.WebhookToken:
    """Give a token another name, or none."""
    token = world.web_tokens.get(call.request.token_id)
    if has(call.request, "name"):
        token = world.web_tokens.rename(token.token_id, call.request.name)
    return _token(token)


async def token_list(world: World, call: Call[Empty]) -> api_pb2.WebhookTokenListResponse:
    """List all tokens."""
    return api_pb2.WebhookTokenListResponse(tokens=map(_token, world.web_tokens.list()))


async def token_list_for_environment(
    world: World, call: Call[api_pb2.WebhookTokenListForEnvironmentRequest]
) -> api_pb2.WebhookTokenListResponse:
    """List the tokens that are good in an environment."""
    tokens = world.web_tokens.list(call.request.environment_name)
    return api_pb2.WebhookTokenListResponse(tokens=map(_token, tokens))


async def token_environment_list(
    world: World, call: Call[api_pb2.WebhookTokenEnvironmentListRequest]
) -> api_pb2.WebhookTokenEnvironmentListResponse:
    """List the environments in which a scoped token is good."""
    token = world.web_tokens.get(call.request.token_id)
    return api_pb2.WebhookTokenEnvironmentListResponse(environment_ids=token.environment_ids)


async def token_environment_add(
    world: World, call: Call[api_pb2.WebhookTokenEnvironmentAddRequest]
) -> Empty:
    """Let a scoped token be good in an environment."""
    world.web_tokens.allow(call.request.token_id, call.request.environment_id)
    return Empty()


async def token_environment_remove(
    world: World, call: Call[api_pb2.WebhookTokenEnvironmentRemoveRequest]
) -> Empty:
    """Let a scoped token no longer be good in an environment."""
    world.web_tokens.revoke(call.request.token_id, call.request.environment_id)
    return Empty()


async def token_delete(world: World, call: Call[api_pb2.TokenDeleteRequest]) -> Empty:
    """Let a token be good for nothing any more."""
    world.web_tokens.delete(call.request.token_id)
    return Empty()


def _token(token: WebToken) -> api_pb2.WebhookToken:
    return api_pb2.WebhookToken(
        token_id=token.token_id,
        created_at=token.created_at,
        scoped=token.scoped,
        name=token.name,
        created_by=api_pb2.UserIdentity(username=WORKSPACE),
    )


RPCS: dict[str, Rpc] = {}
if hasattr(api_pb2, "WebhookToken"):  # newer SDKs have a command for them
    RPCS = {
        "WebhookTokenCreate": full(token_create),
        "WebhookTokenUpdate": full(token_update),
        "WebhookTokenList": full(token_list),
        "WebhookTokenListForEnvironment": full(token_list_for_environment),
        "WebhookTokenEnvironmentList": full(token_environment_list),
        "WebhookTokenEnvironmentAdd": full(token_environment_add),
        "WebhookTokenEnvironmentRemove": full(token_environment_remove),
        "WebhookTokenDelete": full(token_delete),
    }
