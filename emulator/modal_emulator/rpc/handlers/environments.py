"""Environments: the outermost part of every name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.ground.errors import Invalid, NotBuilt
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.creation import creation
from modal_emulator.rpc.results import terminated
from modal_emulator.rpc.tables import Rpc, full, partly
from modal_emulator.store.environments import Environment, Environments, Settings
from modal_emulator.store.names import Creation
from modal_emulator.world import WORKSPACE, World

__all__ = ["RPCS"]


async def environment_list(world: World, call: Call[Empty]) -> api_pb2.EnvironmentListResponse:
    """List all environments."""
    return api_pb2.EnvironmentListResponse(items=[_item(e) for e in world.environments.list()])


async def environment_create(world: World, call: Call[api_pb2.EnvironmentCreateRequest]) -> Empty:
    """Make an environment that everybody may use."""
    for field, word in (("is_managed", "restricted"), ("environment_type", "public")):
        if getattr(call.request, field, 0):
            raise NotBuilt(f"modal-emulator knows no roles, so no {word} Environments")
    world.environments.create(call.request.name)
    return Empty()


async def environment_get_or_create(
    world: World, call: Call[api_pb2.EnvironmentGetOrCreateRequest]
) -> api_pb2.EnvironmentGetOrCreateResponse:
    """Find an environment, or make it; no name means the default one."""
    wanted = creation(call.request.object_creation_type)
    if wanted not in WAYS:
        raise Invalid(f"An Environment cannot be made in this way: {wanted.value}")
    environment = WAYS[wanted](world.environments, call.request.deployment_name)
    return api_pb2.EnvironmentGetOrCreateResponse(
        environment_id=environment.environment_id, metadata=_metadata(world, environment)
    )


async def environment_update(
    world: World, call: Call[api_pb2.EnvironmentUpdateRequest]
) -> api_pb2.EnvironmentListItem:
    """Rename an environment, or change its settings."""
    asked = call.request
    old = world.environments.get(asked.current_name)
    with world.ledger.transaction():
        new = world.environments.update(
            asked.current_name,
            name=asked.name.value if asked.HasField("name") else None,
            settings=_settings(asked, old.settings),
        )
        world.apps.move_environment(old.name, new.name)
    return _item(new)


async def environment_delete(world: World, call: Call[api_pb2.EnvironmentDeleteRequest]) -> Empty:
    """Delete an environment and everything in it; its apps are stopped first."""
    environment = world.environments.deletable(call.request.name)
    for app in world.apps.in_environment(environment.name):
        if app.live:
            await world.dispatcher.stop_app(app.app_id, lambda: terminated(world), WORKSPACE)
    with world.ledger.transaction():
        world.environments.delete(environment.name)
        # A new environment of that name shows nothing of them.
        world.apps.move_environment(environment.name, environment.environment_id)
    return Empty()


WAYS: dict[Creation, Callable[[Environments, str], Environment]] = {
    Creation.LOOKUP: Environments.get,
    Creation.CREATE_IF_MISSING: Environments.get_or_create,
    Creation.CREATE_FAIL_IF_EXISTS: Environments.create,
}


def _settings(asked: api_pb2.EnvironmentUpdateRequest, old: Settings) -> Settings:
    """Return the settings as they will be; what is not mentioned stays."""
    changes: dict[str, Any] = {}
    if asked.HasField("web_suffix"):
        changes["web_suffix"] = asked.web_suffix.value
    for field in ("image_builder_version", "max_concurrent_tasks", "max_concurrent_gpus"):
        # These fields are younger than the oldest SDK.
        if field in asked.DESCRIPTOR.fields_by_name and asked.HasField(field):
            changes[field] = getattr(asked, field)
    if changes.get("image_builder_version") == "":
        changes["image_builder_version"] = None  # the workspace's default again
    return replace(old, **changes)


def _metadata(world: World, environment: Environment) -> api_pb2.EnvironmentMetadata:
    settings = environment.settings
    return api_pb2.EnvironmentMetadata(
        name=environment.name,
        settings=known(
            api_pb2.EnvironmentSettings,
            # JS refuses an empty one (wire facts, point 6).
            image_builder_version=settings.image_builder_version
            or world.settings.image_builder_version,
            webhook_suffix=settings.web_suffix,
            max_concurrent_tasks=settings.max_concurrent_tasks,
            max_concurrent_gpus=settings.max_concurrent_gpus,
        ),
    )


def _item(environment: Environment) -> api_pb2.EnvironmentListItem:
    settings = environment.settings
    return known(
        api_pb2.EnvironmentListItem,
        name=environment.name,
        webhook_suffix=settings.web_suffix,
        created_at=environment.created_at,
        default=environment.default,
        environment_id=environment.environment_id,
        max_concurrent_tasks=settings.max_concurrent_tasks,
        max_concurrent_gpus=settings.max_concurrent_gpus,
        image_builder_version=settings.image_builder_version,
    )


RPCS: dict[str, Rpc] = {
    "EnvironmentList": full(environment_list),
    "EnvironmentCreate": partly(environment_create, "no roles, so neither restricted nor public"),
    "EnvironmentGetOrCreate": full(environment_get_or_create),
    "EnvironmentUpdate": partly(environment_update, "limits are kept, not enforced"),
    "EnvironmentDelete": full(environment_delete),
}
