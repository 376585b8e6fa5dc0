"""Variants of functions: with parameters and options, and made anew when their base has changed."""

from collections.abc import Iterator
from dataclasses import replace

from modal_proto import api_pb2

from modal_emulator.ground.ids import Ids
from modal_emulator.rpc.definitions import definition_of, spec_of
from modal_emulator.rpc.options import with_options
from modal_emulator.store.apps import Apps, Function

__all__ = ["rebuilt", "variant_of"]


def variant_of(ids: Ids, base: Function, parameters: bytes, options: bytes) -> Function:
    """Return the variant of a function that has these parameters and options."""
    asked = api_pb2.FunctionOptions.FromString(options)
    definition = with_options(definition_of(base), asked)
    return replace(
        base,
        function_id=ids.stable("fu", base.function_id, parameters.hex(), options.hex()),
        definition=definition.SerializeToString(),
        spec=replace(spec_of(definition), schedule=None),
        parameters=parameters,
        base_id=base.function_id,
        options=options,
    )


def rebuilt(apps: Apps, ids: Ids, app_id: str) -> Iterator[Function]:
    """Return the variants of an app's functions as its functions now make them."""
    made: dict[str, Function] = {}
    waiting = apps.variants(app_id)
    while waiting:
        ready = [v for v in waiting if v.base_id in made or not apps.function(v.base_id).base_id]
        for old in ready:
            base = made.get(old.base_id) or apps.function(old.base_id)
            made[old.function_id] = variant_of(ids, base, old.parameters, old.options)
        waiting = [v for v in waiting if v.function_id not in made]
    yield from made.values()
