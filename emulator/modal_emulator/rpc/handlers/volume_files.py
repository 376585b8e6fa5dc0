"""
Files of volumes from outside any container: list, read, put, remove and copy.

Each comes in two protocols. Old SDKs use the first for volumes of either version in part, new
ones use the second to read both, so each protocol answers for either kind of volume.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.ground.errors import Exhausted, Invalid
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.tables import Rpc, full, stream
from modal_emulator.store.grants import NOT_KEPT, Bring, Fetch
from modal_emulator.store.history import Committer
from modal_emulator.store.line import Writing
from modal_emulator.store.mounts import DEFAULT_MODE
from modal_emulator.store.tree import Kind
from modal_emulator.store.volumes import Incoming
from modal_emulator.world import World

if TYPE_CHECKING:
    ListRequest = api_pb2.VolumeListFilesRequest | api_pb2.VolumeListFiles2Request
    ReadRequest = api_pb2.VolumeGetFileRequest | api_pb2.VolumeGetFile2Request

__all__ = ["BLOCK_SIZE", "RPCS"]

BLOCK_SIZE = 8 * 1024 * 1024  # SDK:_utils/blob_utils.py
INLINE = 4 * 1024 * 1024  # a longer part goes over HTTP [guess]: as for uploads in the SDK
BATCH = 500  # entries in one message of a listing

API = Committer(via="api")

# Numbers, because SDKs before 1.1 lack the last two names.
FILE_TYPES = {Kind.FILE: 1, Kind.DIRECTORY: 2, Kind.SYMLINK: 3, Kind.FIFO: 4, Kind.SOCKET: 5}


async def volume_list_files(
    world: World, call: Call[api_pb2.VolumeListFilesRequest]
) -> AsyncIterator[api_pb2.VolumeListFilesResponse]:
    """List a directory, or describe a file."""
    for batch in _listing(world, call.request):
        yield api_pb2.VolumeListFilesResponse(entries=batch)


async def volume_list_files2(
    world: World, call: Call[api_pb2.VolumeListFiles2Request]
) -> AsyncIterator[api_pb2.VolumeListFiles2Response]:
    """List a directory, or describe a file."""
    for batch in _listing(world, call.request):
        yield api_pb2.VolumeListFiles2Response(entries=batch)


async def volume_get_file(
    world: World, call: Call[api_pb2.VolumeGetFileRequest]
) -> api_pb2.VolumeGetFileResponse:
    """Give a part of a file: a short one in the reply, a long one as a blob."""
    located = world.volumes.locate(call.request.volume_id, call.request.path)
    start, length = _part(call.request, located.entry.size)
    reply = api_pb2.VolumeGetFileResponse(size=located.entry.size, start=start, len=length)
    if length <= INLINE:
        reply.data = _read(located.path, start, length)
    else:
        path = world.grants.pin(located.path)
        reply.data_blob_id = world.grants.as_blob(Fetch(path, start, length))
    return reply


async def volume_get_file2(
    world: World, call: Call[api_pb2.VolumeGetFile2Request]
) -> api_pb2.VolumeGetFile2Response:
    """Give a URL for each block of a part of a file."""
    located = world.volumes.locate(call.request.volume_id, call.request.path)
    start, length = _part(call.request, located.entry.size)
    path = world.grants.pin(located.path)
    fetches = [Fetch(path, *block, call.request.volume_id) for block in _blocks(start, length)]
    tokens = [world.grants.give(fetch) for fetch in fetches]
    return api_pb2.VolumeGetFile2Response(
        get_urls=[f"{world.site_url}/blocks/{token}" for token in tokens],
        size=located.entry.size,
        start=start,
        len=length,
    )


async def volume_put_files(world: World, call: Call[api_pb2.VolumePutFilesRequest]) -> Empty:
    """Make files of contents that were brought before; all of them or none."""
    incoming = [_whole(world, file) for file in call.request.files]
    overwrite = not call.request.disallow_overwrite_existing_files
    await _do(world, world.volumes.begin_put(call.request.volume_id, incoming, overwrite=overwrite))
    return Empty()


async def volume_put_files2(
    world: World, call: Call[api_pb2.VolumePutFiles2Request]
) -> api_pb2.VolumePutFiles2Response:
    """Name the blocks that are missing; when none is, make the files, all of them or none."""
    incoming = [_in_blocks(file) for file in call.request.files]
    missing = list(_missing(world, incoming))
    if missing:
        _check_kept(call.request, {block.file_index for block in missing})
    else:
        overwrite = not call.request.disallow_overwrite_existing_files
        volume_id = call.request.volume_id
        await _do(world, world.volumes.begin_put(volume_id, incoming, overwrite=overwrite))
    return api_pb2.VolumePutFiles2Response(missing_blocks=missing)


async def volume_remove_file(
    world: World,
    call: Call[api_pb2.VolumeRemoveFileRequest | api_pb2.VolumeRemoveFile2Request],
) -> Empty:
    """Remove a file, or a directory with all it holds."""
    asked = call.request
    world.volumes.remove(asked.volume_id, asked.path, recursive=asked.recursive, by=API)
    return Empty()


async def volume_copy_files(
    world: World, call: Call[api_pb2.VolumeCopyFilesRequest | api_pb2.VolumeCopyFiles2Request]
) -> Empty:
    """Copy files within a volume as `cp` does."""
    asked = call.request
    writing = world.volumes.begin_copy(
        asked.volume_id, list(asked.src_paths), asked.dst_path, recursive=asked.recursive
    )
    await _do(world, writing)
    return Empty()


async def _do(world: World, writing: Writing) -> None:
    """Carry out a change in a thread, to its end also when the caller goes away meanwhile."""

    async def carry_out() -> None:
        try:
            written = await asyncio.to_thread(writing.write)
        except BaseException:
            world.volumes.abandon(writing)
            raise
        world.volumes.finish(writing, written, API)

    await asyncio.shield(carry_out())


def _listing(world: World, asked: ListRequest) -> Iterator[list[api_pb2.FileEntry]]:
    world.faults.before_listing(asked.volume_id)
    entries = world.volumes.entries(
        asked.volume_id,
        asked.path,
        recursive=asked.recursive,
        max_entries=asked.max_entries if asked.HasField("max_entries") else None,
    )
    described = (
        api_pb2.FileEntry(
            path=path,
            type=FILE_TYPES[entry.kind],  # type: ignore[arg-type]
            mtime=max(0, entry.mtime_ns // 1_000_000_000),
            size=entry.size,
        )
        for path, entry in entries
    )
    while batch := list(islice(described, BATCH)):
        yield batch


def _part(asked: ReadRequest, size: int) -> tuple[int, int]:
    """Return start and length of what is asked for, within the file; length 0 asks for the rest."""
    start = min(asked.start, size)
    return start, min(asked.len or size, size - start)


def _blocks(start: int, length: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of each piece of this range that lies in one block of the file."""
    end = start + length
    while start < end:
        stop = min(end, (start // BLOCK_SIZE + 1) * BLOCK_SIZE)
        yield start, stop - start
        start = stop


def _read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


def _whole(world: World, file: api_pb2.MountFile) -> Incoming:
    """A file whose content was brought in one piece."""
    sha256 = file.sha256_hex
    if not world.content.has(sha256):
        raise Invalid(f"The content of '{file.filename}' has not been uploaded")
    size = world.content.path(sha256).stat().st_size
    mode = file.mode if file.HasField("mode") else DEFAULT_MODE
    return Incoming(file.filename, size, mode, (sha256,), size)


def _in_blocks(file: api_pb2.VolumePutFiles2Request.File) -> Incoming:
    """A file whose content was brought, or is to be, in blocks."""
    if len(file.blocks) != -(-file.size // BLOCK_SIZE):
        raise Invalid(f"'{file.path}': {file.size} bytes do not make {len(file.blocks)} blocks")
    pieces = tuple(block.contents_sha256.hex() for block in file.blocks)
    if any(len(piece) != 64 for piece in pieces):
        raise Invalid(f"'{file.path}': a block's digest is not a SHA-256")
    mode = file.mode if file.HasField("mode") else DEFAULT_MODE
    return Incoming(file.path, file.size, mode, pieces, BLOCK_SIZE)


def _missing(
    world: World, files: list[Incoming]
) -> Iterator[api_pb2.VolumePutFiles2Response.MissingBlock]:
    """Yield each block that is not here, once; the SDK reuses its answer for equal ones."""
    seen: set[str] = set()
    for file_index, file in enumerate(files):
        world.content.expect(file.pieces, file.size, file.piece_size)
        for block_index, sha256 in enumerate(file.pieces):
            if sha256 in seen or world.content.piece(sha256) is not None:
                continue
            seen.add(sha256)
            yield api_pb2.VolumePutFiles2Response.MissingBlock(
                file_index=file_index,
                block_index=block_index,
                put_url=f"{world.site_url}/blocks/{world.grants.give(Bring(sha256))}",
            )


def _check_kept(asked: api_pb2.VolumePutFiles2Request, incomplete: set[int]) -> None:
    """Raise if the answer to a block that was sent is why it could not be kept."""
    for index in sorted(incomplete):
        for block in asked.files[index].blocks:
            if block.put_response.startswith(NOT_KEPT):
                why = block.put_response.removeprefix(NOT_KEPT).decode(errors="replace")
                raise Exhausted(f"'{asked.files[index].path}' could not be kept: {why}.")


RPCS: dict[str, Rpc] = {
    "VolumeListFiles": stream(volume_list_files),
    "VolumeListFiles2": stream(volume_list_files2),
    "VolumeGetFile": full(volume_get_file),
    "VolumeGetFile2": full(volume_get_file2),
    "VolumePutFiles": full(volume_put_files),
    "VolumePutFiles2": full(volume_put_files2),
    "VolumeRemoveFile": full(volume_remove_file),
    "VolumeRemoveFile2": full(volume_remove_file),
    "VolumeCopyFiles": full(volume_copy_files),
    "VolumeCopyFiles2": full(volume_copy_files),
}
