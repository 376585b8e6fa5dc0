import base64
import hashlib

import pytest

from modal_emulator.ground.errors import DataLoss, Invalid, NotFound

DATA = b"some bytes"
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()


@pytest.mark.parametrize("digests", [(MD5, SHA256), ("", SHA256), (MD5, ""), ("", "")])
def test_a_blob_is_announced_sent_and_read(store, digests):
    blob_id = store.blobs.create(len(DATA), *digests)
    assert blob_id.startswith("bl-")
    with pytest.raises(NotFound, match="were never sent"):
        store.blobs.path(blob_id)
    receiver = store.blobs.receiver(blob_id)
    receiver.write(DATA)
    receiver.finish()
    assert store.blobs.path(blob_id).read_bytes() == DATA


def test_a_blob_may_be_sent_again(store):
    blob_id = store.blobs.create(len(DATA), MD5, SHA256)
    for _ in range(2):
        receiver = store.blobs.receiver(blob_id)
        receiver.write(DATA)
        receiver.finish()
    assert store.blobs.path(blob_id).read_bytes() == DATA


def test_bytes_that_break_the_promise_are_not_the_blob(store):
    blob_id = store.blobs.create(len(DATA), MD5, SHA256)
    receiver = store.blobs.receiver(blob_id)
    receiver.write(b"other byte")
    with pytest.raises(DataLoss):
        receiver.finish()
    with pytest.raises(NotFound):
        store.blobs.path(blob_id)


@pytest.mark.parametrize(
    ("md5", "sha256"), [("x", SHA256), (MD5, MD5), (SHA256, SHA256), (MD5, "ü"), (MD5, "====")]
)
def test_bad_digests_are_refused(store, md5, sha256):
    with pytest.raises(Invalid, match="is not a digest of"):
        store.blobs.create(1, md5, sha256)


def test_a_negative_length_is_refused(store):
    with pytest.raises(Invalid, match="cannot have -1 bytes"):
        store.blobs.create(-1, MD5, SHA256)


def test_an_unknown_blob_is_not_found(store):
    for use in (store.blobs.path, store.blobs.receiver):
        with pytest.raises(NotFound, match="No Blob with ID 'bl-x' found"):
            use("bl-x")


def test_blobs_survive_a_restart(store):
    blob_id = store.blobs.add(DATA)
    promised = store.blobs.create(len(DATA), MD5, SHA256)
    store.reopen()
    assert store.blobs.path(blob_id).read_bytes() == DATA
    receiver = store.blobs.receiver(promised)
    receiver.write(DATA)
    receiver.finish()
    assert store.blobs.path(promised).read_bytes() == DATA
