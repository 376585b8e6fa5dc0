"""
Function definitions as the SDK sends them, and what the emulator reads in them.

What a definition asks for and the emulator would have to ignore is refused here, by name: an app
that believes its network is blocked must not run with the network open.
"""

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import fields
from typing import Any

from google.protobuf.message import Message
from modal_proto import api_pb2

from modal_emulator.ground.errors import NotBuilt
from modal_emulator.rpc.compat import has, known
from modal_emulator.rpc.volume_uses import volume_uses
from modal_emulator.rpc.web_definitions import endpoints_of, has_custom_domains
from modal_emulator.store.apps import Function, FunctionSpec
from modal_emulator.store.placements import Placement
from modal_emulator.store.schedules import Cron, Period, Schedule

__all__ = [
    "data_of",
    "definition_of",
    "handle_of",
    "placement_of",
    "refuse",
    "requested",
    "spec_of",
    "warnings_of",
]

PAGE = "docs/guide/differences.md"
Definition = api_pb2.Function

REFUSED: tuple[tuple[str, Callable[[Definition], object]], ...] = (
    ("custom_domains=", has_custom_domains),
    ("block_network=True", lambda d: d.block_network),
    ("restrict_modal_access=True", lambda d: d.untrusted),
    ("outbound network rules", lambda d: has(d, "network_access")),
    ("CloudBucketMount", lambda d: d.cloud_bucket_mounts or d.s3_mounts),
    ("NetworkFileSystem", lambda d: d.shared_volume_mounts),
    ("@app.server", lambda d: getattr(d, "is_server", False)),
    ("clustered functions", lambda d: d._experimental_group_size),
    ("interactive functions (modal run -i, modal shell)", lambda d: d.pty_info.pty_type),
)


def requested(request: api_pb2.FunctionCreateRequest) -> Definition:
    """Return the definition in a request; of several ranked by GPU the first one."""
    if request.HasField("function"):
        return request.function
    ranked = request.function_data.ranked_functions
    definition = Definition()
    definition.CopyFrom(ranked[0].function if ranked else Definition())
    definition.schedule.CopyFrom(request.function_data.schedule)
    return definition


def refuse(definition: Definition) -> None:
    """
    Refuse what would silently mean something else here.

    Raises:
        NotBuilt: names what was asked for, and the page.
    """
    for name, asked in REFUSED:
        if asked(definition):
            raise NotBuilt(
                f"modal-emulator does not offer {name} yet (function "
                f"'{definition.function_name}'); see {PAGE}"
            )


def warnings_of(texts: Iterable[str]) -> list[api_pb2.Warning]:
    """Return what the user should know about a definition as the SDK prints it."""
    kind = api_pb2.Warning.WARNING_TYPE_FUNCTION_CONFIGURATION
    return [api_pb2.Warning(type=kind, message=text) for text in texts]


def definition_of(function: Function) -> Definition:
    """Return the definition that was kept."""
    return Definition.FromString(function.definition)


def spec_of(definition: Definition) -> FunctionSpec:
    """Return what the emulator acts on."""
    scaling = definition.autoscaler_settings
    retry = definition.retry_policy
    return FunctionSpec(
        image_id=definition.image_id,
        mount_ids=tuple(definition.mount_ids),
        secret_ids=tuple(definition.secret_ids),
        volumes=volume_uses(definition.volume_mounts),
        min_containers=scaling.min_containers or definition.warm_pool_size,
        max_containers=scaling.max_containers or definition.concurrency_limit,
        buffer_containers=scaling.buffer_containers or definition._experimental_buffer_containers,
        scaledown_window=scaling.scaledown_window or definition.task_idle_timeout_secs,
        timeout=definition.timeout_secs,
        startup_timeout=_startup_timeout(definition),
        max_inputs_at_once=definition.max_concurrent_inputs or 1,
        target_inputs=definition.target_concurrent_inputs,
        batch_size=definition.batch_max_size,
        single_use=getattr(definition, "single_use_containers", False)
        or definition.is_builder_function  # what it leaves must be of one input
        or definition.max_inputs == 1,
        retries=retry.retries,
        retry_delay=retry.initial_delay_ms / 1000,
        retry_backoff=retry.backoff_coefficient or 1.0,
        retry_delay_limit=retry.max_delay_ms / 1000 or 60.0,
        schedule=_schedule(definition.schedule),
        placement=placement_of(definition),
        web=endpoints_of(definition),
        proxy_id=definition.proxy_id,
        memory_limit=definition.resources.memory_mb_max,
        cpu_limit=definition.resources.milli_cpu_max,
    )


def _startup_timeout(definition: Definition) -> float:
    if definition.is_builder_function:  # its one timeout is that of what it does
        return 0.0
    return getattr(definition, "startup_timeout_secs", 0) or definition.timeout_secs


def placement_of(definition: Definition | api_pb2.Sandbox) -> Placement:
    """Return where a definition wants its containers."""
    said = definition.scheduler_placement
    return Placement(
        regions=tuple(said.regions),
        cloud=definition.cloud_provider_str,
        zone=said._zone,
        lifecycle=said._lifecycle,
        instance_types=tuple(said._instance_types),
        nonpreemptible=getattr(said, "nonpreemptible", False),
    )


def _schedule(said: api_pb2.Schedule) -> Schedule | None:
    kind = said.WhichOneof("schedule_oneof")
    if kind == "cron":
        # SDKs before 1.0.3 know no time zones.
        return Cron(said.cron.cron_string, getattr(said.cron, "timezone", "") or "UTC")
    if kind == "period":
        names = [field.name for field in fields(Period)]
        return Period(**{name: getattr(said.period, name) for name in names})
    return None


def handle_of(function: Function, urls: Mapping[str, str]) -> api_pb2.FunctionHandleMetadata:
    """Return what an SDK needs to call the function; `urls` are those on the web, by method."""
    definition = definition_of(function)
    methods = {
        name: known(
            api_pb2.FunctionHandleMetadata,
            function_name=method.function_name,
            function_type=method.function_type,
            web_url=urls.get(name, ""),
            is_method=True,
            use_method_name=name,
            function_schema=method.function_schema,
            supported_input_formats=_formats(method, "supported_input_formats"),
            supported_output_formats=_formats(method, "supported_output_formats"),
            app_id=function.app_id,
        )
        for name, method in definition.method_definitions.items()
    }
    return known(
        api_pb2.FunctionHandleMetadata,
        function_name=definition.function_name,
        function_type=definition.function_type,
        web_url=urls.get("", ""),
        is_method=definition.is_method,
        definition_id=function.definition_id,
        class_parameter_info=definition.class_parameter_info,
        method_handle_metadata=methods,
        function_schema=definition.function_schema,
        supported_input_formats=_formats(definition, "supported_input_formats"),
        supported_output_formats=_formats(definition, "supported_output_formats"),
        app_id=function.app_id,
        base_function_id=function.base_id,
    )


def data_of(definition: Definition) -> api_pb2.FunctionData:
    """Return the definition in the other form that newer SDKs read."""
    shared = api_pb2.FunctionData.DESCRIPTOR.fields_by_name
    data = api_pb2.FunctionData()
    for field, value in definition.ListFields():
        if field.name not in shared:
            continue
        target = getattr(data, field.name)
        if isinstance(value, Message):
            target.CopyFrom(value)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill(target, value)
        elif isinstance(value, str | bytes | int | float | bool):
            setattr(data, field.name, value)
        else:
            target.extend(value)
    data.ranked_functions.add(rank=0, function=definition)
    return data


def _fill(target: MutableMapping[str, Any], value: Mapping[str, Any]) -> None:
    """Copy a map; one of messages makes its values itself."""
    for key, item in value.items():
        if isinstance(item, Message):
            target[key].CopyFrom(item)
        else:
            target[key] = item


def _formats(message: Message, name: str) -> list[int]:
    return list(getattr(message, name, ()))
