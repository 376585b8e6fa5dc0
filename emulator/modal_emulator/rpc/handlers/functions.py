"""Functions and classes: defined, looked up, given parameters."""

from __future__ import annotations

from dataclasses import replace

from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.definitions import (
    data_of,
    definition_of,
    handle_of,
    refuse,
    requested,
    spec_of,
    warnings_of,
)
from modal_emulator.rpc.tables import Rpc, full, partly
from modal_emulator.rpc.variants import variant_of
from modal_emulator.rpc.web_definitions import endpoints_of, with_urls
from modal_emulator.store.apps import Function, FunctionSpec
from modal_emulator.store.regions import check_placement
from modal_emulator.world import World

__all__ = ["RPCS"]


async def function_precreate(
    world: World, call: Call[api_pb2.FunctionPrecreateRequest]
) -> api_pb2.FunctionPrecreateResponse:
    """Give a function its id before its definition is complete."""
    request = call.request
    function_id = world.apps.reserve_function(
        request.app_id, request.function_name, request.existing_function_id
    )
    draft = known(
        api_pb2.Function,
        function_name=request.function_name,
        function_type=request.function_type,
        function_schema=request.function_schema,
        method_definitions=dict(request.method_definitions),
        supported_input_formats=list(getattr(request, "supported_input_formats", ())),
        supported_output_formats=list(getattr(request, "supported_output_formats", ())),
    )
    function = Function(
        function_id,
        request.app_id,
        request.function_name,
        draft.SerializeToString(),
        FunctionSpec(web=endpoints_of(request)),
    )
    return api_pb2.FunctionPrecreateResponse(
        function_id=function_id, handle_metadata=handle_of(function, world.web.urls(function))
    )


async def function_create(
    world: World, call: Call[api_pb2.FunctionCreateRequest]
) -> api_pb2.FunctionCreateResponse:
    """Keep the definition of a function; what it refers to must exist."""
    request = call.request
    definition = requested(request)
    refuse(definition)
    _check(world, definition)
    tag = definition.function_name
    # One and the same may make several images, and share its name with a function of the app.
    own_id = world.ids.mint("fu") if definition.is_builder_function else ""
    function = Function(
        world.apps.reserve_function(request.app_id, tag, request.existing_function_id or own_id),
        request.app_id,
        tag,
        definition.SerializeToString(),
        spec_of(definition),
    )
    warnings = world.schedules.admit(function)
    world.web.check(function)
    function = world.apps.propose_function(function)
    with_urls(definition, function, world.web)
    return known(
        api_pb2.FunctionCreateResponse,
        function_id=function.function_id,
        function=definition,
        function_data=data_of(definition),
        handle_metadata=handle_of(function, world.web.urls(function)),
        server_warnings=warnings_of(warnings),
    )


async def function_get(
    world: World, call: Call[api_pb2.FunctionGetRequest]
) -> api_pb2.FunctionGetResponse:
    """Find a function of a deployed app."""
    request = call.request
    version = getattr(request, "app_version", 0)
    function = world.apps.find(
        request.app_name, request.object_tag, request.environment_name, version
    )
    return known(
        api_pb2.FunctionGetResponse,
        function_id=function.function_id,
        handle_metadata=handle_of(function, world.web.urls(function)),
        function=data_of(_addressed(world, function)),
    )


async def function_get_by_id(
    world: World, call: Call[api_pb2.FunctionGetByIdRequest]
) -> api_pb2.FunctionGetByIdResponse:
    """Find a function by its id."""
    function = world.apps.function(call.request.function_id)
    return known(
        api_pb2.FunctionGetByIdResponse,
        handle_metadata=handle_of(function, world.web.urls(function)),
        function=data_of(_addressed(world, function)),
    )


async def function_bind_params(
    world: World, call: Call[api_pb2.FunctionBindParamsRequest]
) -> api_pb2.FunctionBindParamsResponse:
    """Make the variant of a function that has these parameters and options."""
    request = call.request
    base = world.apps.function(request.function_id)
    options = request.function_options.SerializeToString(deterministic=True)
    variant = variant_of(world.ids, base, request.serialized_params, options)
    _check(world, definition_of(variant))
    world.apps.put_function(variant)
    return api_pb2.FunctionBindParamsResponse(
        bound_function_id=variant.function_id,
        handle_metadata=handle_of(variant, world.web.urls(variant)),
    )


async def class_create(
    world: World, call: Call[api_pb2.ClassCreateRequest]
) -> api_pb2.ClassCreateResponse:
    """Give a class its id; its methods belong to its service function."""
    class_id = world.apps.reserve_class(call.request.app_id, call.request.existing_class_id)
    return api_pb2.ClassCreateResponse(
        class_id=class_id, handle_metadata=api_pb2.ClassHandleMetadata()
    )


async def class_get(world: World, call: Call[api_pb2.ClassGetRequest]) -> api_pb2.ClassGetResponse:
    """Find a class of a deployed app."""
    request = call.request
    tag, version = request.object_tag, getattr(request, "app_version", 0)
    function = world.apps.find(request.app_name, f"{tag}.*", request.environment_name, version)
    layout = world.apps.layout(function.app_id, version)
    class_id = layout.class_ids[tag]
    handle = known(
        api_pb2.ClassHandleMetadata,
        class_function_id=function.function_id,
        class_function_metadata=handle_of(function, world.web.urls(function)),
    )
    return api_pb2.ClassGetResponse(class_id=class_id, handle_metadata=handle)


async def function_get_current_stats(
    world: World, call: Call[api_pb2.FunctionGetCurrentStatsRequest]
) -> api_pb2.FunctionStats:
    """Count what waits and what runs."""
    pool = world.dispatcher.pool(call.request.function_id)
    return known(
        api_pb2.FunctionStats,
        backlog=pool.backlog,
        num_total_tasks=len(pool.workers),
        num_running_inputs=sum(len(w.inputs) for w in pool.workers.values()),
    )


async def function_update_scheduling_params(
    world: World, call: Call[api_pb2.FunctionUpdateSchedulingParamsRequest]
) -> api_pb2.FunctionUpdateSchedulingParamsResponse:
    """Change how many containers a function keeps, until its next deployment."""
    function = world.apps.function(call.request.function_id)
    definition = definition_of(function)
    definition.autoscaler_settings.MergeFrom(call.request.settings)
    changed = replace(function, definition=definition.SerializeToString(), spec=spec_of(definition))
    world.apps.put_function(changed)
    world.dispatcher.pool(function.function_id).update(changed)
    return known(
        api_pb2.FunctionUpdateSchedulingParamsResponse,
        current_settings=definition.autoscaler_settings,
    )


def _check(world: World, definition: api_pb2.Function) -> None:
    """Everything that a definition refers to by id must exist, and the places that it names."""
    check_placement(spec_of(definition).placement)
    for mount in definition.volume_mounts:
        world.volumes.get(mount.volume_id)
    for secret_id in definition.secret_ids:
        world.secrets.get(secret_id)
    for mount_id in definition.mount_ids:
        world.mounts.tree(mount_id)
    if definition.image_id:
        world.images.get(definition.image_id)


def _addressed(world: World, function: Function) -> api_pb2.Function:
    definition = definition_of(function)
    with_urls(definition, function, world.web)
    return definition


RPCS: dict[str, Rpc] = {
    "FunctionPrecreate": full(function_precreate),
    "FunctionCreate": partly(
        function_create,
        "no custom domains; limits of CPU and memory are kept with the runtime docker only; GPU, "
        "instance types and `startup_timeout` are accepted and have no effect",
    ),
    "FunctionGet": full(function_get),
    "FunctionGetById": full(function_get_by_id),
    "FunctionBindParams": full(function_bind_params),
    "ClassCreate": full(class_create),
    "ClassGet": full(class_get),
    "FunctionGetCurrentStats": full(function_get_current_stats),
    "FunctionUpdateSchedulingParams": full(function_update_scheduling_params),
}
