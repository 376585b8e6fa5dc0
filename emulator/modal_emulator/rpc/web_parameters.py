"""
Parameters of a class in the query of a URL.

A web method's address serves all variants of its class: which one a request is for, its query says.
What becomes of a value that does not fit the parameter's type, or of one that is missing, is a
guess.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from modal_proto import api_pb2

from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.rpc.definitions import definition_of
from modal_emulator.rpc.variants import variant_of
from modal_emulator.world import World

__all__ = ["asked_variant"]

_BOOLS = {"true": True, "1": True, "false": False, "0": False}

_READ: dict[int, tuple[str, Callable[[str], Any]]] = {
    api_pb2.PARAM_TYPE_STRING: ("string_value", str),
    api_pb2.PARAM_TYPE_INT: ("int_value", int),
    api_pb2.PARAM_TYPE_BYTES: ("bytes_value", str.encode),
    getattr(api_pb2, "PARAM_TYPE_BOOL", -1): ("bool_value", lambda text: _BOOLS[text.lower()]),
}


def asked_variant(world: World, function_id: str, query: str) -> str:
    """
    Return the id of the variant of a class that a query asks for; without parameters, the class's.

    Raises:
        Invalid: a value does not fit its parameter.
    """
    function = world.apps.function(function_id)
    info = definition_of(function).class_parameter_info
    given = dict(parse_qsl(query, keep_blank_values=True))
    named = [spec for spec in info.schema if spec.name in given]
    if not named:
        return function_id
    values = [_value(spec, given[spec.name]) for spec in named]
    # The order is the SDK's, so that its own calls with these values find the same containers.
    values += [
        _default(spec) for spec in info.schema if spec.name not in given and spec.has_default
    ]
    parameters = api_pb2.ClassParameterSet(parameters=values)
    variant = variant_of(world.ids, function, parameters.SerializeToString(deterministic=True), b"")
    try:
        world.apps.function(variant.function_id)
    except NotFound:
        world.apps.put_function(variant)
    return variant.function_id


def _value(spec: api_pb2.ClassParameterSpec, text: str) -> api_pb2.ClassParameterValue:
    name, read = _READ.get(spec.type, ("", str))
    if not name:
        raise Invalid(f"parameter {spec.name!r} cannot be given in a URL")
    try:
        return api_pb2.ClassParameterValue(name=spec.name, type=spec.type, **{name: read(text)})
    except (KeyError, ValueError) as error:
        raise Invalid(f"parameter {spec.name!r} cannot be {text!r}") from error


def _default(spec: api_pb2.ClassParameterSpec) -> api_pb2.ClassParameterValue:
    held = spec.WhichOneof("default_oneof") or "string_default"
    name: Any = held.replace("_default", "_value")
    return api_pb2.ClassParameterValue(
        name=spec.name, type=spec.type, **{name: getattr(spec, held)}
    )
