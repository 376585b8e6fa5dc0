"""Images: accepted without building; see `store/images.py` for what of them counts."""

from __future__ import annotations

from collections.abc import AsyncIterator

from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.tables import Rpc, partly, stream
from modal_emulator.store.images import Image, installed
from modal_emulator.world import World

__all__ = ["RPCS"]

STDERR = 2


async def image_get_or_create(
    world: World, call: Call[api_pb2.ImageGetOrCreateRequest]
) -> api_pb2.ImageGetOrCreateResponse:
    """Keep the image as its commands say and call it built."""
    asked = call.request.image
    image = world.images.get_or_create(
        asked.SerializeToString(deterministic=True),
        asked.dockerfile_commands,
        [b.image_id for b in asked.base_images],
        asked.context_mount_id,
        asked.HasField("build_function"),
    )
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
    """Say that the image is built."""
    image = world.images.get(call.request.image_id)
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
    return known(
        api_pb2.ImageFromIdResponse, image_id=image.image_id, metadata=_metadata(world, image)
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
        "nothing is built: ENV, WORKDIR and copied local files count, packages come from the "
        "local environment",
    ),
    "ImageJoinStreaming": stream(image_join_streaming),
    "ImageFromId": partly(image_from_id, "nothing is built"),
}
