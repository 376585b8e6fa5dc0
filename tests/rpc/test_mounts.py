import base64
import hashlib

import pytest
from modal_proto import api_pb2

GLOBAL = api_pb2.DEPLOYMENT_NAMESPACE_GLOBAL


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def put(rpc, data):
    return rpc("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex=sha256(data), data=data))


def file(path, data, **more):
    return api_pb2.MountFile(filename=path, sha256_hex=sha256(data), **more)


def mount(rpc, *files):
    return rpc("MountGetOrCreate", api_pb2.MountGetOrCreateRequest(files=files))


def test_a_content_is_asked_for_brought_and_there(rpc):
    question = api_pb2.MountPutFileRequest(sha256_hex=sha256(b"code"))
    assert not rpc("MountPutFile", question).exists
    assert put(rpc, b"code").exists
    assert rpc("MountPutFile", question).exists


def test_an_empty_file_can_be_brought(rpc):
    assert put(rpc, b"").exists


def test_a_large_content_comes_as_a_blob(rpc):
    data = b"x" * 5_000_000
    made = rpc(
        "BlobCreate",
        api_pb2.BlobCreateRequest(
            content_sha256_base64=base64.b64encode(hashlib.sha256(data).digest()).decode(),
            content_length=len(data),
        ),
    )
    by_blob = api_pb2.MountPutFileRequest(sha256_hex=sha256(data), data_blob_id=made.blob_id)
    assert rpc.error("MountPutFile", by_blob)[0] == "NOT_FOUND"
    assert rpc.put(made.upload_url, data)[0] == 200
    assert rpc("MountPutFile", by_blob).exists
    other = api_pb2.MountPutFileRequest(sha256_hex=sha256(b"other"), data_blob_id=made.blob_id)
    assert rpc.error("MountPutFile", other)[0] == "DATA_LOSS"


def test_wrong_contents_are_refused_and_not_kept(rpc):
    wrong = api_pb2.MountPutFileRequest(sha256_hex=sha256(b"right"), data=b"wrong")
    assert rpc.error("MountPutFile", wrong)[0] == "DATA_LOSS"
    assert not rpc("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex=sha256(b"right"))).exists
    assert not rpc("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex=sha256(b"wrong"))).exists
    nonsense = api_pb2.MountPutFileRequest(sha256_hex="../../x", data=b"x")
    assert rpc.error("MountPutFile", nonsense)[0] == "INVALID_ARGUMENT"


@pytest.mark.skipif(
    not hasattr(api_pb2, "MountBatchedCheckExistenceRequest"), reason="this SDK asks one by one"
)
def test_many_contents_are_asked_for_at_once(rpc):
    put(rpc, b"here")
    hashes = [sha256(b"here"), sha256(b"missing"), "nonsense"]
    request = api_pb2.MountBatchedCheckExistenceRequest(sha256_hex_hashes=hashes)
    reply = rpc("MountBatchedCheckExistence", request)
    assert list(reply.missing_sha256_hex_hashes) == hashes[1:]
    assert reply.checked_at.seconds > 0


def test_equal_files_make_the_same_mount(rpc):
    put(rpc, b"a")
    one = mount(rpc, file("/root/a.py", b"a", mode=0o644))
    assert one.mount_id.startswith("mo-")
    assert len(one.handle_metadata.content_checksum_sha256_hex) == 64
    assert mount(rpc, file("/root/a.py", b"a")) == one
    assert mount(rpc, file("/root/b.py", b"a")).mount_id != one.mount_id


@pytest.mark.parametrize(
    "name", ["modal-client-mount-1.6.4", "python-build-standalone.20251205.3.14.2-gnu"]
)
def test_mounts_that_modal_publishes_are_there_and_empty(rpc, name):
    request = api_pb2.MountGetOrCreateRequest(deployment_name=name, namespace=GLOBAL)
    assert rpc("MountGetOrCreate", request) == mount(rpc)


def test_other_names_are_not_found(rpc):
    request = api_pb2.MountGetOrCreateRequest(deployment_name="mine")
    assert rpc.error("MountGetOrCreate", request) == (
        "NOT_FOUND",
        "Mount 'mine' not found in environment 'main'",
    )


def test_publishing_is_refused_not_ignored(rpc):
    request = api_pb2.MountGetOrCreateRequest(
        deployment_name="mine",
        object_creation_type=api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS,
    )
    assert rpc.error("MountGetOrCreate", request)[0] == "UNIMPLEMENTED"


@pytest.mark.parametrize("path", ["../x", "/a/../b", "relative", "/", "", "/a\0b", "/" + "n" * 256])
def test_bad_paths_are_refused(rpc, path):
    put(rpc, b"x")
    request = api_pb2.MountGetOrCreateRequest(files=[file(path, b"x")])
    assert rpc.error("MountGetOrCreate", request)[0] == "INVALID_ARGUMENT"


def test_contents_that_were_not_brought_are_refused(rpc):
    request = api_pb2.MountGetOrCreateRequest(files=[file("/root/a", b"never brought")])
    assert rpc.error("MountGetOrCreate", request) == (
        "INVALID_ARGUMENT",
        "The content of '/root/a' has not been uploaded",
    )
