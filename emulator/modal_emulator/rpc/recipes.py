"""An image as the SDK describes it, in the words of who builds it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from modal_proto import api_pb2

from modal_emulator.rpc.translator import Messages
from modal_emulator.runtime.images import Recipe, Run
from modal_emulator.world import World

__all__ = ["key_of", "recipe_of"]


def key_of(world: World, asked: api_pb2.Image) -> bytes:
    """
    Return what makes an image another one.

    Of secrets that is which ones they are and not what they hold: names, or the keys of one without
    a name. The SDK itself tells build functions apart by that (`_Function._get_build_def`); that
    Modal tells commands apart by it, too, is a guess.
    """
    if not asked.secret_ids:
        return asked.SerializeToString(deterministic=True)
    rest = api_pb2.Image()
    rest.CopyFrom(asked)
    del rest.secret_ids[:]
    secrets = [world.secrets.get(secret_id) for secret_id in asked.secret_ids]
    told = [[each.environment, each.name] if each.name else sorted(each.keys) for each in secrets]
    return rest.SerializeToString(deterministic=True) + json.dumps(told).encode()


def recipe_of(world: World, request: api_pb2.ImageGetOrCreateRequest, image_id: str) -> Recipe:
    """Return what to build, and what of it nobody builds here."""
    asked = request.image
    context = asked.context_mount_id
    return Recipe(
        image_id=image_id,
        commands=tuple(asked.dockerfile_commands),
        bases={base.docker_tag: base.image_id for base in asked.base_images},
        context=world.mounts.tree(context) if context else None,
        files={file.filename: file.data for file in asked.context_files},
        arguments=dict(getattr(asked, "build_args", {})),  # later than the oldest SDK
        secrets=world.secrets.environment(asked.secret_ids),
        run=_run(world, request),
        refusals=tuple(_refusals(asked)),
    )


def _run(world: World, request: api_pb2.ImageGetOrCreateRequest) -> Run | None:
    """Return the call that makes the image, if it is one."""
    if not request.image.HasField("build_function"):
        return None
    build = request.image.build_function
    if build.HasField("input"):
        payload = build.input.SerializeToString()
    else:
        _, payload = Messages(world.apps, world.volumes, world.web).no_arguments()
    return Run(request.build_function_id, payload)


def _refusals(asked: api_pb2.Image) -> Iterator[str]:
    if asked.image_registry_config.secret_id:
        yield "a registry secret is not used: let Docker's daemon log in itself (docker login)"
    if asked.gpu_config.count:
        yield "there is no GPU for build steps"
    if any(line.startswith("COPY /python/") for line in asked.dockerfile_commands):
        yield "add_python= needs a Python that only Modal has"  # [sdk] _image.py, as a global Mount
    if getattr(asked, "volume_mounts", ()):  # later than the oldest SDK
        yield "volumes are not given to build steps"
