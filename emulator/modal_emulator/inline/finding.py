"""
The user's functions and classes, found alive in this process.

An app that runs from this process has its functions here already, with all that the test did to
them: nothing is imported a second time, and closures work. The id that the server gave them tells
which one is meant. What another process deployed is looked up in its module, or taken from the
serialised definition.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from modal_proto import api_pb2

from modal_emulator.ground.errors import NotFound
from modal_emulator.inline.private import client, inward, private

__all__ = ["Found", "base_id", "find"]


@dataclass(frozen=True, slots=True)
class Found:
    """User code: a function, or a class as the SDK holds it."""

    function: Callable[..., Any] | None = None
    cls: Any = None
    """The SDK's `_Cls`, or a plain class that was decorated elsewhere."""


def find(arguments: api_pb2.ContainerArguments) -> Found:
    """
    Return the code that a container of this process is to run.

    Raises:
        NotFound: it is not here and cannot be imported.
    """
    # An app that was deployed again has several of the same id.
    definition_id = _definition_id(arguments)
    found = (
        _alive(arguments, definition_id)
        or _serialised(arguments.function_def)
        or _alive(arguments)
        or _importable(arguments)
    )
    if found is None:
        definition = arguments.function_def
        name = f"{definition.module_name}.{definition.function_name}"
        raise NotFound(
            f"{name} is not to be found in this process, where the inline runtime looks for it; "
            "runtime 'process' runs code that another process deployed"
        )
    return found


def base_id(arguments: api_pb2.ContainerArguments) -> str:
    """Return the id of the function as it was defined, whatever parameters it was bound to."""
    ids = arguments.app_layout.function_ids
    name = arguments.function_def.function_name
    return str(ids.get(name, arguments.function_id))


def _definition_id(arguments: api_pb2.ContainerArguments) -> str:
    """Return the id of the definition that is meant, or nothing if that is not known any more."""
    for known in reversed(arguments.app_layout.objects):
        if known.object_id == arguments.function_id:
            return known.function_handle_metadata.definition_id
    return ""


def _alive(arguments: api_pb2.ContainerArguments, definition_id: str = "") -> Found | None:
    wanted = base_id(arguments)

    def is_it(function: Any) -> bool:
        return function._object_id == wanted and definition_id in ("", function._definition_id)

    for app in _apps(arguments.function_def.app_name):
        functions, classes = _registered(app)
        for cls in classes.values():
            service = cls._class_service_function
            if service is not None and is_it(service):
                return Found(cls=cls)
        for function in functions.values():
            if function._raw_f is not None and is_it(function):
                return Found(function=function._raw_f)
    return None


def _apps(name: str) -> Iterator[Any]:
    """Yield the apps of this process, the newest of that name first."""
    by_name: dict[str | None, list[Any]] = private("modal.app", "_App")._all_apps
    yield from reversed(by_name.get(name or None, []))
    for other, apps in tuple(by_name.items()):
        if other != (name or None):
            yield from reversed(apps)


def _registered(app: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    state = getattr(app, "_local_state_attr", None)  # since SDK 1.1
    if state is not None:
        return state.functions, state.classes
    return getattr(app, "_functions", {}), getattr(app, "_classes", {})


def _serialised(definition: api_pb2.Function) -> Found | None:
    if definition.definition_type != api_pb2.Function.DEFINITION_TYPE_SERIALIZED:
        return None
    deserialize = private("modal._serialization", "deserialize")
    if definition.is_class and definition.class_serialized:
        return Found(cls=deserialize(definition.class_serialized, client()))
    if definition.function_serialized:
        return Found(function=deserialize(definition.function_serialized, client()))
    return None


def _importable(arguments: api_pb2.ContainerArguments) -> Found | None:
    import modal

    definition = arguments.function_def
    module = _module(definition.module_name)
    name = getattr(definition, "implementation_name", "") or definition.function_name
    value = getattr(module, name.removesuffix(".*"), None)
    if isinstance(value, modal.Function):
        return Found(function=inward(value)._raw_f)
    if isinstance(value, modal.Cls):
        return Found(cls=inward(value))
    if isinstance(value, type):
        return Found(cls=value)
    return Found(function=value) if callable(value) else None


def _module(name: str) -> ModuleType | None:
    try:
        return sys.modules.get(name) or importlib.import_module(name)
    except ImportError as error:
        if error.name and name.split(".")[0] == error.name.split(".")[0]:
            return None  # the module itself is not there; what it imports is the user's own affair
        raise
