"""Blobs: where to bring and to fetch what is too large for a message."""

from __future__ import annotations

from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.tables import Rpc, full
from modal_emulator.store.grants import BringBlob, Fetch
from modal_emulator.world import World

__all__ = ["RPCS"]

# What the SDK sends as the MD5 of a file over 1 GiB, without having computed it
# (SDK:_utils/blob_utils.py): "baadbaad..." in base64.
NO_MD5 = "uq26rbqtuq26rbqtuq26rQ=="


async def blob_create(
    world: World, call: Call[api_pb2.BlobCreateRequest]
) -> api_pb2.BlobCreateResponse:
    """Give a URL that takes the whole blob by one PUT, whatever its size."""
    asked = call.request
    md5 = "" if asked.content_md5 == NO_MD5 else asked.content_md5
    blob_id = world.blobs.create(asked.content_length, md5, asked.content_sha256_base64)
    url = f"{world.site_url}/blobs/{world.grants.give(BringBlob(blob_id))}"
    # Newer SDKs read the lists, older ones and JS the single fields; both may stand side by side.
    lists = {}
    if "upload_urls" in api_pb2.BlobCreateResponse.DESCRIPTOR.fields_by_name:
        lists = {"upload_urls": api_pb2.UploadUrlList(items=[url]), "blob_ids": [blob_id]}
    return known(api_pb2.BlobCreateResponse, blob_id=blob_id, upload_url=url, **lists)


async def blob_get(world: World, call: Call[api_pb2.BlobGetRequest]) -> api_pb2.BlobGetResponse:
    """Give a URL to fetch a blob from."""
    blob_id = call.request.blob_id
    fetch = world.grants.blob(blob_id)
    if fetch is None:
        path = world.blobs.path(blob_id)
        fetch = Fetch(world.grants.pin(path), 0, path.stat().st_size)
    url = f"{world.site_url}/blobs/{world.grants.give(fetch)}"
    return api_pb2.BlobGetResponse(download_url=url)


RPCS: dict[str, Rpc] = {
    "BlobCreate": full(blob_create),
    "BlobGet": full(blob_get),
}
