"""
Images: built where containers run in them, else accepted.

See `store/images.py` for what counts of one that is not built.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from modal_proto import api_pb2

from modal_emulator.ground.errors import NotFound
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.recipes import key_of, recipe_of
from modal_emulator.rpc.tables import Rpc, partly, stream
from modal_emulator.runtime.images import Built
from modal_emulator.store.images import Image, installed
from modal_emulator.world import World

__all__ = ["RPCS"]

STDERR = 2


async def image_get_or_create(
    world: World, call: Call[api_pb2.ImageGetOrCreateRequest]
) -> api_pb2.ImageGetOrCreateResponse:
    """Keep the image as its commands say, and have it built or call it so."""
    asked = call.request.image
    image = world.images.get_or_create(
        key_of(world, asked),
        asked.dockerfile_commands,
        [b.image_id for b in asked.base_images],
        asked.context_mount_id,
        asked.HasField("build_function"),
    )
    if world.builds.are_made:
        return await _get_or_build(world, call.request, image)
    if world.images.first_use(call.request.app_id, image):
        bases = [world.images.get(b.image_id) for b in asked.base_images]
        _warn(world, call.request.app_id, image, bases)
    return known(
        api_pb2.ImageGetOrCreateResponse,
        image_id=image.image_id,
        result=_built(),
        metadata=_metadata(world, image),
    )


async def image_join_streaming(
    world: World, call: Call[api_pb2.ImageJoinStreamingRequest]
) -> AsyncIterator[api_pb2.ImageJoinStreamingResponse]:
    """Say that the image is built, or how its build goes."""
    image = world.images.get(call.request.image_id)
    if world.builds.are_made:
        async for response in _follow(world, call.request):
            yield response
        return
    yield known(
        api_pb2.ImageJoinStreamingResponse,
        result=_built(),
        eof=True,
        metadata=_metadata(world, image),
    )


async def image_from_id(
    world: World, call: Call[api_pb2.ImageFromIdRequest]
) -> api_pb2.ImageFromIdResponse:
    """Find an image."""
    image = world.images.get(call.request.image_id)
    if world.builds.are_made:
        built = await world.builds.find(image.image_id)
        if built is None:
            raise NotFound(f"Could not find image with ID {image.image_id}: it was not built")
        return known(
            api_pb2.ImageFromIdResponse,
            image_id=image.image_id,
            metadata=_metadata_of(world, built),
        )
    return known(
        api_pb2.ImageFromIdResponse, image_id=image.image_id, metadata=_metadata(world, image)
    )


async def _get_or_build(
    world: World, asked: api_pb2.ImageGetOrCreateRequest, image: Image
) -> api_pb2.ImageGetOrCreateResponse:
    # Two names for one wish: this image anew; or all that the client asks for, from now on.
    anew = asked.force_build or getattr(asked, "ignore_cache", False)
    built = None if anew else await world.builds.find(image.image_id)
    if built is None:
        world.builds.begin(recipe_of(world, asked, image.image_id), anew=anew)
        return api_pb2.ImageGetOrCreateResponse(image_id=image.image_id)
    return known(
        api_pb2.ImageGetOrCreateResponse,
        image_id=image.image_id,
        result=_built(),
        metadata=_metadata_of(world, built),
    )


async def _follow(
    world: World, asked: api_pb2.ImageJoinStreamingRequest
) -> AsyncIterator[api_pb2.ImageJoinStreamingResponse]:
    """Yield what a build prints, and at last how it ended."""
    build = world.builds.get(asked.image_id)
    if build is None:  # before this World
        built = await world.builds.find(asked.image_id)
        failure, timed_out = "" if built else "it was not built here", False
    else:
        async for entry, text in build.follow(int(asked.last_entry_id or 0)):
            line = api_pb2.TaskLogs(data=text, file_descriptor=api_pb2.FILE_DESCRIPTOR_STDOUT)
            yield api_pb2.ImageJoinStreamingResponse(entry_id=str(entry), task_logs=[line])
        built, failure, timed_out = build.built, build.failure, build.timed_out
    yield known(
        api_pb2.ImageJoinStreamingResponse,
        result=_built() if built else _failed(failure, timed_out=timed_out),
        eof=True,
        metadata=_metadata_of(world, built) if built else None,
    )


def _failed(why: str, *, timed_out: bool) -> api_pb2.GenericResult:
    status = api_pb2.GenericResult.GENERIC_STATUS_FAILURE
    if timed_out:
        status = api_pb2.GenericResult.GENERIC_STATUS_TIMEOUT
    return api_pb2.GenericResult(status=status, exception=why)


def _metadata_of(world: World, built: Built) -> api_pb2.ImageMetadata:
    return known(
        api_pb2.ImageMetadata,
        image_builder_version=world.settings.image_builder_version,
        python_version_info=built.python or None,
        libc_version_info=built.libc or None,
        workdir=built.working_directory or None,
    )


def _built() -> api_pb2.GenericResult:
    return api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)


def _metadata(world: World, image: Image) -> api_pb2.ImageMetadata:
    return known(
        api_pb2.ImageMetadata,
        image_builder_version=world.settings.image_builder_version,
        workdir=image.working_directory or None,
    )


def _warn(world: World, app_id: str, image: Image, bases: list[Image]) -> None:
    """Say in the app's log what the local environment lacks, once for the layer that asks."""
    lines = []
    said = {name for base in bases for name in world.images.missing(base, installed)}
    if missing := [n for n in world.images.missing(image, installed) if n not in said]:
        lines.append(
            "modal-emulator builds no images: the local Python environment lacks "
            f"{', '.join(missing)}, which the image asks for."
        )
    if image.builds_by_function and not any(b.builds_by_function for b in bases):
        lines.append("modal-emulator builds no images: Image.run_function() was not run.")
    for line in lines:
        world.logs.add(app_id, line + "\n", STDERR)


RPCS: dict[str, Rpc] = {
    "ImageGetOrCreate": partly(
        image_get_or_create,
        "built with the runtime docker only, without volumes and GPUs; else "
        "ENV, WORKDIR and copied local files count, packages come from the local environment",
    ),
    "ImageJoinStreaming": stream(image_join_streaming),
    "ImageFromId": partly(image_from_id, "built with the runtime docker only"),
}
