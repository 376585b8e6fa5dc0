import base64
import hashlib

import modal
import pytest
from modal_proto import api_pb2

MANY = "blob_ids" in api_pb2.BlobCreateResponse.DESCRIPTOR.fields_by_name


def announce(data, **changes):
    fields = {
        "content_md5": base64.b64encode(hashlib.md5(data).digest()).decode(),
        "content_sha256_base64": base64.b64encode(hashlib.sha256(data).digest()).decode(),
        "content_length": len(data),
        **changes,
    }
    return api_pb2.BlobCreateRequest(**fields)


def test_a_blob_comes_back_as_it_was_brought(rpc):
    made = rpc("BlobCreate", announce(b"some data"))
    assert made.blob_id.startswith("bl-")
    assert rpc.put(made.upload_url, b"some data")[0] == 200
    found = rpc("BlobGet", api_pb2.BlobGetRequest(blob_id=made.blob_id))
    assert rpc.get(found.download_url) == b"some data"


@pytest.mark.skipif(not MANY, reason="this SDK knows one URL only")
def test_old_and_new_clients_find_the_one_upload_each_in_its_fields(rpc):
    made = rpc("BlobCreate", announce(b"x"))
    assert made.WhichOneof("upload_type_oneof") == "upload_url"
    assert made.WhichOneof("upload_types_oneof") == "upload_urls"
    assert list(made.upload_urls.items) == [made.upload_url]
    assert list(made.blob_ids) == [made.blob_id]


def test_the_largest_blob_goes_by_one_put_too(rpc):
    made = rpc("BlobCreate", announce(b"", content_length=5 << 30))
    assert made.WhichOneof("upload_type_oneof") == "upload_url"


def test_an_md5_that_the_sdk_did_not_compute_is_not_checked(rpc):
    # What it sends for files over 1 GiB (SDK:_utils/blob_utils.py).
    made = rpc("BlobCreate", announce(b"x", content_md5="uq26rbqtuq26rbqtuq26rQ=="))
    assert rpc.put(made.upload_url, b"x")[0] == 200


def test_wrong_bytes_are_refused_and_right_ones_still_taken(rpc):
    made = rpc("BlobCreate", announce(b"right"))
    for wrong in (b"wrong", b"rig", b"right!"):
        status, text = rpc.put(made.upload_url, wrong)
        assert status == 400 and text
    get = api_pb2.BlobGetRequest(blob_id=made.blob_id)
    assert rpc.error("BlobGet", get) == (
        "NOT_FOUND",
        f"The bytes of blob '{made.blob_id}' were never sent",
    )
    assert rpc.put(made.upload_url, b"right")[0] == 200
    assert rpc.get(rpc("BlobGet", get).download_url) == b"right"


@pytest.mark.parametrize(
    "changes",
    [
        {"content_length": -1},
        {"content_md5": "no base64"},
        {"content_md5": "YQ=="},
        {"content_sha256_base64": "YQ=="},
        {"content_sha256_base64": "\u0661" * 44},
    ],
)
def test_announcements_that_make_no_sense_are_refused(rpc, changes):
    assert rpc.error("BlobCreate", announce(b"x", **changes))[0] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("blob_id", ["", "bl-unknown", "../../ledger.db", "bl-\0"])
def test_unknown_blobs_are_not_found(rpc, blob_id):
    get = api_pb2.BlobGetRequest(blob_id=blob_id)
    assert rpc.error("BlobGet", get) == ("NOT_FOUND", f"No Blob with ID '{blob_id}' found")


def test_the_sdk_uploads_and_downloads(modal_emulator):
    from modal._utils.async_utils import synchronize_api
    from modal._utils.blob_utils import blob_download, blob_upload

    client = modal.Client.from_env()
    data = bytes(range(256)) * 20_000  # over the limit for messages

    async def there_and_back(client):
        stub = getattr(client, "_stub", None) or client.stub
        return await blob_download(await blob_upload(data, stub), stub)

    assert synchronize_api(there_and_back)(client) == data
