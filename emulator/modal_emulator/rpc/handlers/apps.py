"""Apps: created, published, listed, stopped."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.ground.errors import NotFound
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.definitions import definition_of
from modal_emulator.rpc.handlers.deployments import page_of
from modal_emulator.rpc.results import terminated
from modal_emulator.rpc.tables import Rpc, accepted, full
from modal_emulator.rpc.translator import layout_of
from modal_emulator.store.apps import App, AppState, Function
from modal_emulator.world import WORKSPACE, World

__all__ = ["RPCS"]

ATTENDED = (AppState.EPHEMERAL, AppState.DETACHED)
"""Whose clients say that they are there."""


async def app_create(
    world: World, call: Call[api_pb2.AppCreateRequest]
) -> api_pb2.AppCreateResponse:
    """Begin an app; an ephemeral one lives as long as its client's heartbeats."""
    request = call.request
    tags = dict(getattr(request, "tags", {}))
    state = AppState(request.app_state or AppState.EPHEMERAL.value)
    app = world.apps.create(request.description, request.environment_name, state, tags)
    if state in ATTENDED:
        world.dispatcher.heartbeat(app.app_id)
    return api_pb2.AppCreateResponse(app_id=app.app_id, app_page_url=page_of(world, app.app_id))


async def app_get_or_create(
    world: World, call: Call[api_pb2.AppGetOrCreateRequest]
) -> api_pb2.AppGetOrCreateResponse:
    """Find the app deployed under a name, or deploy an empty one."""
    request = call.request
    try:
        app = world.apps.deployed(request.app_name, request.environment_name)
    except NotFound:
        if request.object_creation_type != api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
            raise
        app = world.apps.create(
            request.app_name, request.environment_name, AppState.INITIALIZING, {}
        )
        app = world.apps.publish(
            app.app_id,
            AppState.DEPLOYED,
            name=request.app_name,
            tag="",
            function_ids={},
            class_ids={},
            tags={},
        )
    return known(api_pb2.AppGetOrCreateResponse, app_id=app.app_id, handle_metadata=_handle(app))


async def app_get_layout(
    world: World, call: Call[api_pb2.AppGetLayoutRequest]
) -> api_pb2.AppGetLayoutResponse:
    """Return the functions and classes of an app."""
    app = world.apps.get(call.request.app_id)
    return api_pb2.AppGetLayoutResponse(app_layout=layout_of(world.apps, app, world.web))


async def app_get_by_deployment_name(
    world: World, call: Call[api_pb2.AppGetByDeploymentNameRequest]
) -> api_pb2.AppGetByDeploymentNameResponse:
    """Find the app deployed under a name, or the one that was stopped last."""
    name, environment = call.request.name, call.request.environment_name
    where = world.environments.get(environment).name
    try:
        app = world.apps.deployed(name, environment)
    except NotFound:
        past = world.apps.stopped(name, environment)
        return known(
            api_pb2.AppGetByDeploymentNameResponse,
            previous_app_id=past.app_id if past else "",
            environment_name=where,
            lifecycle=_lifecycle(past) if past else None,
        )
    return known(
        api_pb2.AppGetByDeploymentNameResponse,
        app_id=app.app_id,
        environment_name=where,
        lifecycle=_lifecycle(app),
    )


async def app_heartbeat(world: World, call: Call[api_pb2.AppHeartbeatRequest]) -> Empty:
    """The client is still there."""
    if world.apps.get(call.request.app_id).state in ATTENDED:
        world.dispatcher.heartbeat(call.request.app_id)
    return Empty()


async def app_client_disconnect(
    world: World, call: Call[api_pb2.AppClientDisconnectRequest]
) -> Empty:
    """
    The client leaves: an ephemeral app ends, and has ended when the answer comes.

    A detached one ends with the last of its calls.
    """
    app = world.apps.get(call.request.app_id)
    if app.state is AppState.DETACHED:
        world.dispatcher.outlive(app.app_id, lambda: terminated(world))
    elif app.state in (AppState.EPHEMERAL, AppState.INITIALIZING):
        await _stop(world, call.container_id, app.app_id)
    return Empty()


async def app_stop(world: World, call: Call[api_pb2.AppStopRequest]) -> Empty:
    """Stop an app and all its containers."""
    if world.apps.get(call.request.app_id).live:
        await _stop(world, call.container_id, call.request.app_id, WORKSPACE)
    return Empty()


async def _stop(world: World, asked_by: str | None, app_id: str, by: str = "") -> None:
    """Stop an app; who asks for it waits for its containers to end."""
    with world.settling.waits(asked_by, lambda: bool(world.dispatcher.workers(app_id))):
        await world.dispatcher.stop_app(app_id, lambda: terminated(world), by)


async def app_list(world: World, call: Call[api_pb2.AppListRequest]) -> api_pb2.AppListResponse:
    """List the apps of an environment."""
    item = api_pb2.AppListResponse.AppListItem
    return api_pb2.AppListResponse(
        apps=[
            known(
                item,
                app_id=app.app_id,
                description=app.name or app.description,
                name=app.name,
                state=app.state.value,
                created_at=app.created_at,
                stopped_at=app.stopped_at,
                n_running_tasks=len(world.dispatcher.workers(app.app_id)),
                metadata=_handle(app),
            )
            for app in world.apps.in_environment(call.request.environment_name)
        ]
    )


async def app_get_lifecycle(
    world: World, call: Call[api_pb2.AppGetLifecycleRequest]
) -> api_pb2.AppGetLifecycleResponse:
    """Tell where an app is in its life."""
    app = world.apps.get(call.request.app_id)
    return api_pb2.AppGetLifecycleResponse(lifecycle=_lifecycle(app))


async def app_get_info(
    world: World, call: Call[api_pb2.AppGetInfoRequest]
) -> api_pb2.AppGetInfoResponse:
    """Describe an app and its functions."""
    app = world.apps.get(call.request.app_id)
    return api_pb2.AppGetInfoResponse(
        info=_handle(app),
        function_info_summaries={
            function_id: _summary(world.apps.function(function_id))
            for function_id in app.function_ids.values()
            if app.live
        },
    )


async def app_set_tags(world: World, call: Call[api_pb2.AppSetTagsRequest]) -> Empty:
    """Replace the tags of an app."""
    world.apps.set_tags(call.request.app_id, dict(call.request.tags))
    return Empty()


async def app_get_tags(
    world: World, call: Call[api_pb2.AppGetTagsRequest]
) -> api_pb2.AppGetTagsResponse:
    """Return the tags of an app."""
    return api_pb2.AppGetTagsResponse(tags=dict(world.apps.get(call.request.app_id).tags))


def _lifecycle(app: App) -> api_pb2.AppLifecycle | None:
    if not hasattr(api_pb2, "AppLifecycle"):  # the oldest SDKs
        return None
    return known(
        api_pb2.AppLifecycle,
        app_state=app.state.value,
        created_at=app.created_at,
        created_by=WORKSPACE,
        deployed_at=app.deployed_at,
        deployed_by=WORKSPACE if app.deployed_at else "",
        version=app.version,
        stopped_at=app.stopped_at,
        stopped_by=app.stopped_by,
    )


def _handle(app: App) -> api_pb2.AppHandleMetadata | None:
    if not hasattr(api_pb2, "AppHandleMetadata"):  # SDKs before 1.4
        return None
    return known(
        api_pb2.AppHandleMetadata,
        description=app.description,
        app_id=app.app_id,
        environment_name=app.environment,
        lifecycle=_lifecycle(app),
        functions=dict(app.function_ids),
    )


def _summary(function: Function) -> api_pb2.AppGetInfoResponse.FunctionInfoSummary:
    definition = definition_of(function)
    gpu = definition.resources.gpu_config
    web = definition.webhook_config.type != api_pb2.WEBHOOK_TYPE_UNSPECIFIED
    return known(
        api_pb2.AppGetInfoResponse.FunctionInfoSummary,
        gpu_config=[gpu] if gpu.count or gpu.gpu_type else [],
        schedule=definition.schedule if function.spec.schedule is not None else None,
        web_function=web,
        requires_proxy_auth=definition.webhook_config.requires_proxy_auth if web else None,
    )


RPCS: dict[str, Rpc] = {
    "AppCreate": full(app_create),
    "AppGetOrCreate": full(app_get_or_create),
    "AppGetLayout": full(app_get_layout),
    "AppGetByDeploymentName": full(app_get_by_deployment_name),
    "AppHeartbeat": full(app_heartbeat),
    "AppClientDisconnect": full(app_client_disconnect),
    "AppStop": full(app_stop),
    "AppList": full(app_list),
    "AppGetLifecycle": full(app_get_lifecycle),
    "AppGetInfo": full(app_get_info),
    "AppSetTags": full(app_set_tags),
    "AppGetTags": full(app_get_tags),
}
if hasattr(api_pb2, "ObjectSuggestResponse"):
    RPCS["ObjectSuggest"] = accepted(
        api_pb2.ObjectSuggestResponse, "suggestions after a misspelt name are a convenience"
    )
