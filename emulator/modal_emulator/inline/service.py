"""
What a container offers to be called, and what it does before and after.

For a function that is the function; for a class an object of it, its methods, and the functions
marked with `enter` and `exit`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modal_proto import api_pb2

from modal_emulator.inline.finding import Found, base_id, find
from modal_emulator.inline.private import client, outward, private
from modal_emulator.inline.webs import Waiting, is_web, wrapped

__all__ = ["Callee", "Service", "Web", "open_service", "open_webs"]

_FORMATS = (api_pb2.DATA_FORMAT_PICKLE, getattr(api_pb2, "DATA_FORMAT_CBOR", 0))


@dataclass(frozen=True, slots=True)
class Callee:
    """One thing that inputs are for."""

    function: Callable[..., Any]
    is_async: bool
    is_generator: bool
    formats: Sequence[int]
    """The data formats that it may answer in; the caller's own, if it is among them."""
    is_web: bool = False
    """It is called with the scope of a request, and gives messages."""


@dataclass(frozen=True, slots=True)
class Web:
    """A web function: called once, before the first input, for what requests are for."""

    function: Callable[..., Any]
    config: api_pb2.WebhookConfig


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that one container runs."""

    callees: Mapping[str, Callee]
    """By the name of the method; a function has the empty name."""
    webs: Mapping[str, Web] = field(default_factory=dict)
    """The same of web functions, which are made callable by `open_webs`."""
    enter: tuple[Callable[..., Any], ...] = ()
    exit: tuple[Callable[..., Any], ...] = ()


def open_service(arguments: api_pb2.ContainerArguments) -> Service:
    """
    Find the user's code, and for a class make its object.

    Raises:
        NotFound: the code is not in this process.
        Exception: whatever the class's constructor raises.
    """
    definition, found = arguments.function_def, find(arguments)
    if found.cls is not None:
        return _of_class(arguments, found)
    assert found.function is not None
    if is_web(definition.webhook_config):
        return Service({}, {"": Web(found.function, definition.webhook_config)})
    is_generator = definition.function_type == api_pb2.Function.FUNCTION_TYPE_GENERATOR
    return Service({"": _callee(found.function, is_generator, definition)})


def open_webs(
    service: Service, manager: Any, waiting: Waiting
) -> tuple[dict[str, Callee], list[Any]]:
    """
    Return all that inputs are for, and the lifespans of its web apps, not yet begun.

    By `waiting` an app awaits what the client of a WebSocket sends.

    Raises:
        Exception: whatever user code raises, or the SDK where no app can be made of it.
    """
    callees, lifespans = dict(service.callees), []
    for name, web in service.webs.items():
        function, lifespan = wrapped(web.function, web.config, manager, waiting)
        formats = (api_pb2.DATA_FORMAT_ASGI,)
        callees[name] = Callee(function, True, True, formats, is_web=True)
        lifespans.append(lifespan)
    return callees, lifespans


def _of_class(arguments: api_pb2.ContainerArguments, found: Found) -> Service:
    definition, cls = arguments.function_def, _hydrated(arguments, found.cls)
    user_object = _object(arguments, cls)
    callees, webs = {}, {}
    for name, partial in cls._get_partial_functions().items():
        method = partial.raw_f.__get__(user_object)
        if is_web(config := partial.params.webhook_config):
            webs[name] = Web(method, config)
            continue
        described = definition.method_definitions[name]
        callees[name] = _callee(method, bool(partial.params.is_generator), described)

    def marked(*flags: Any) -> tuple[Callable[..., Any], ...]:
        groups = (find_marked(user_object, flag).values() for flag in flags)
        return tuple(each for group in groups for each in group)

    find_marked = private("modal._partial_function", "_find_callables_for_obj")
    flags = private("modal._partial_function", "_PartialFunctionFlags")
    entering = marked(flags.ENTER_PRE_SNAPSHOT, flags.ENTER_POST_SNAPSHOT)
    return Service(callees, webs, entering, marked(flags.EXIT))


def _hydrated(arguments: api_pb2.ContainerArguments, cls: Any) -> Any:
    """Return the SDK's class for a plain one that was not decorated where it stands."""
    if not isinstance(cls, type):
        return cls
    function_id = base_id(arguments)
    (data,) = (o for o in arguments.app_layout.objects if o.object_id == function_id)
    kind, classes = private("modal._functions", "_Function"), private("modal.cls", "_Cls")
    service = kind._new_hydrated(function_id, client(), data.function_handle_metadata)
    make = getattr(classes, "_from_local", None) or classes.from_local  # its name before SDK 1.5
    made = make(cls, private("modal.app", "_App")(), service)
    name = arguments.function_def.function_name.removesuffix(".*")
    class_id = arguments.app_layout.class_ids[name]
    made._hydrate(class_id, client(), api_pb2.ClassHandleMetadata())
    return made


def _object(arguments: api_pb2.ContainerArguments, cls: Any) -> Any:
    """Make the user's object, a fresh one for each container."""
    args: Any = ()
    kwargs: Any = {}
    if arguments.serialized_params:
        read = private("modal._serialization", "deserialize_params")
        args, kwargs = read(arguments.serialized_params, arguments.function_def, client())
    handle = outward(cls)(*args, **kwargs)
    handle._entered = True  # or `.local()` would call the functions marked with `enter` again
    return handle._cached_user_cls_instance()


def _callee(function: Callable[..., Any], is_generator: bool, described: Any) -> Callee:
    is_async = private("modal._utils.function_utils", "is_async")
    formats = tuple(getattr(described, "supported_output_formats", ())) or _FORMATS
    return Callee(function, is_async(function), is_generator, formats)
