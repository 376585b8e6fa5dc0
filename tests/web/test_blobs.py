import base64
import hashlib
import os

import pytest

from modal_emulator.store.grants import Bring, BringBlob, Fetch


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def announce(store, data: bytes) -> tuple[str, str]:
    """Return the id of a blob that is to be these bytes, and a token to bring them with."""
    blob_id = store.blobs.create(len(data), b64(md5(data)), b64(sha256(data)))
    return blob_id, store.grants.give(BringBlob(blob_id))


def test_a_blob_is_brought_by_one_put_and_the_etag_is_its_md5(at_door):
    data = os.urandom(3_000_000)

    async def visit(door):
        blob_id, token = announce(door.store, data)
        for _ in range(2):  # a client that did not hear the answer asks again
            async with door.client.put(f"{door.url}/blobs/{token}", data=data) as response:
                assert response.status == 200
                assert response.headers["ETag"] == f'"{md5(data).hex()}"'
        assert door.store.blobs.path(blob_id).read_bytes() == data
        fetch = door.store.grants.give(Fetch(door.store.blobs.path(blob_id), 0, len(data)))
        async with door.client.get(f"{door.url}/blobs/{fetch}") as response:
            assert (response.status, await response.read()) == (200, data)

    at_door(visit)


def test_a_content_md5_header_is_heeded(at_door):
    async def visit(door):
        _, token = announce(door.store, b"data")
        url = f"{door.url}/blobs/{token}"
        for header in (b64(md5(b"other")), "nonsense", ""):
            async with door.client.put(
                url, data=b"data", headers={"Content-MD5": header}
            ) as response:
                assert response.status == 400
                # The SDK looks for these words (SDK:_utils/blob_utils.py).
                assert (
                    "The Content-MD5 you specified did not match what we received."
                    in await response.text()
                )
        assert door.store.kept() == set()
        async with door.client.put(
            url, data=b"data", headers={"Content-MD5": b64(md5(b"data"))}
        ) as response:
            assert response.status == 200

    at_door(visit)


@pytest.mark.parametrize("sent", [b"xxxx", b"dat", b"data and more", b""])
def test_a_body_other_than_announced_is_refused(at_door, sent):
    async def visit(door):
        blob_id, token = announce(door.store, b"data")
        async with door.client.put(f"{door.url}/blobs/{token}", data=sent) as response:
            assert response.status == 400
            assert (await response.text()).strip()
        assert door.store.kept() == set()
        assert door.store.leftovers() == []
        async with door.client.put(f"{door.url}/blobs/{token}", data=b"data") as response:
            assert response.status == 200
        assert door.store.blobs.path(blob_id).read_bytes() == b"data"

    at_door(visit)


@pytest.mark.slow
def test_a_much_longer_body_is_cut_off(at_door):
    async def visit(door):
        _, token = announce(door.store, b"data")
        async with door.client.put(f"{door.url}/blobs/{token}", data=b"y" * 50_000_000) as response:
            assert response.status == 400
            assert "longer than the 4 bytes" in await response.text()
        assert door.store.leftovers() == []

    at_door(visit)


def test_a_token_is_good_for_its_own_purpose_only(at_door, tmp_path):
    async def visit(door):
        grants = door.store.grants
        block, down = grants.give(Bring("ab" * 32)), grants.give(Fetch(tmp_path / "f", 0, 1))
        _, up = announce(door.store, b"data")
        for method, token in [("GET", up), ("PUT", block), ("PUT", down), ("GET", block)]:
            async with door.client.request(method, f"{door.url}/blobs/{token}") as response:
                assert response.status == 404

    at_door(visit)
