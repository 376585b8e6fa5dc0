import asyncio
import hashlib
import os
import tracemalloc
from types import SimpleNamespace

import pytest

from modal_emulator.store.grants import Bring, BringBlob, Fetch
from modal_emulator.web import streams
from modal_emulator.web.streams import _pass_on


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_block_is_kept_under_its_digest(at_door):
    data = os.urandom(3_000_000)

    async def visit(door):
        token = door.store.grants.give(Bring(sha256(data)))
        async with door.client.put(f"{door.url}/blocks/{token}", data=data) as response:
            assert response.status == 200
            assert await response.read() == bytes.fromhex(sha256(data))
        assert door.store.content.path(sha256(data)).read_bytes() == data
        assert door.store.leftovers() == []

    at_door(visit)


@pytest.mark.parametrize("data", [b"", b"x", b"\0" * 10])
def test_short_blocks_are_kept_too(at_door, data):
    async def visit(door):
        url = f"{door.url}/blocks/{door.store.grants.give(Bring(sha256(data)))}"
        for _ in range(2):  # a client that did not hear the answer asks again
            async with door.client.put(url, data=data) as response:
                assert response.status == 200
        assert door.store.content.path(sha256(data)).read_bytes() == data

    at_door(visit)


def test_a_body_without_a_length_is_taken(at_door):
    async def pieces():
        for _ in range(10):
            yield b"z" * 100_000

    async def visit(door):
        digest = sha256(b"z" * 1_000_000)
        url = f"{door.url}/blocks/{door.store.grants.give(Bring(digest))}"
        async with door.client.put(url, data=pieces()) as response:
            assert response.status == 200
        assert door.store.content.has(digest)

    at_door(visit)


def test_a_wrong_digest_is_refused_and_nothing_is_kept(at_door):
    async def visit(door):
        url = f"{door.url}/blocks/{door.store.grants.give(Bring(sha256(b'right')))}"
        async with door.client.put(url, data=b"wrong") as response:
            assert response.status == 400
            text = await response.text()
            assert sha256(b"wrong") in text and sha256(b"right") in text
        assert door.store.kept() == set()
        assert door.store.leftovers() == []
        async with door.client.put(url, data=b"right") as response:
            assert response.status == 200

    at_door(visit)


@pytest.mark.parametrize("rudely", [True, False])
@pytest.mark.parametrize("sent", [0, 1, 700_000, 1_999_999])
def test_a_body_that_breaks_off_leaves_nothing(at_door, sent, rudely):
    data = b"b" * 2_000_000

    async def visit(door):
        token = door.store.grants.give(Bring(sha256(data)))
        host, port = door.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"PUT /blocks/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data[:sent])
        await writer.drain()
        if rudely:
            writer.transport.abort()
        else:
            writer.close()
        async with door.client.get(f"{door.url}/blocks/unknown") as response:
            assert response.status == 404
        while door.store.leftovers():
            await asyncio.sleep(0)
        assert door.store.kept() == set()

    at_door(visit)


def test_a_part_of_a_file_is_sent(at_door, tmp_path):
    data = os.urandom(5_000_000)
    (tmp_path / "file").write_bytes(data)

    async def visit(door):
        for start, length in [(0, 5_000_000), (1, 1), (4_999_999, 1), (1_000_000, 2_345_678)]:
            token = door.store.grants.give(Fetch(tmp_path / "file", start, length))
            async with door.client.get(f"{door.url}/blocks/{token}") as response:
                assert response.status == 200
                assert response.content_length == length
                assert await response.read() == data[start : start + length]

    at_door(visit)


def test_nothing_of_a_file_can_be_asked_for(at_door, tmp_path):
    (tmp_path / "file").write_bytes(b"x")

    async def visit(door):
        token = door.store.grants.give(Fetch(tmp_path / "file", 1, 0))
        async with door.client.get(f"{door.url}/blocks/{token}") as response:
            assert (response.status, await response.read()) == (200, b"")

    at_door(visit)


def test_head_tells_the_length_alone(at_door, tmp_path):
    (tmp_path / "file").write_bytes(b"12345")

    async def visit(door):
        token = door.store.grants.give(Fetch(tmp_path / "file", 1, 3))
        async with door.client.head(f"{door.url}/blocks/{token}") as response:
            assert (response.status, response.headers["Content-Length"]) == (200, "3")
        async with door.client.get(f"{door.url}/blocks/{token}") as response:
            assert await response.read() == b"234"

    at_door(visit)


def test_one_connection_serves_many_requests(at_door, tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789" * 1000)

    async def visit(door):
        async def one(i):
            token = door.store.grants.give(Fetch(tmp_path / "file", i, 10))
            async with door.client.get(f"{door.url}/blocks/{token}") as response:
                return await response.read()

        bodies = await asyncio.gather(*(one(i) for i in range(200)))
        assert bodies == [(b"0123456789" * 2)[i % 10 : i % 10 + 10] for i in range(200)]

    at_door(visit)


def test_a_file_that_is_gone_or_too_short_is_an_error_not_a_hang(at_door, tmp_path):
    (tmp_path / "short").write_bytes(b"123")

    async def visit(door):
        token = door.store.grants.give(Fetch(tmp_path / "short", 0, 10))
        async with door.client.get(f"{door.url}/blocks/{token}") as response:
            assert response.status == 400
            assert "only 3 are there" in await response.text()
        token = door.store.grants.give(Fetch(tmp_path / "gone", 0, 10))
        async with door.client.get(f"{door.url}/blocks/{token}") as response:
            assert response.status == 404
            assert "is gone" in await response.text()

    at_door(visit)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("token", ["x", "%2e%2e%2fledger.db", "%00", "a" * 5000])
def test_unknown_tokens_open_nothing(at_door, method, token):
    async def visit(door):
        async with door.client.request(method, f"{door.url}/blocks/{token}") as response:
            assert response.status == 404
            assert "unknown or has expired" in await response.text()

    at_door(visit)


def test_a_token_is_good_for_its_own_purpose_only(at_door, tmp_path):
    async def visit(door):
        grants = door.store.grants
        up, blob, down = (
            grants.give(Bring(sha256(b"x"))),
            grants.give(BringBlob("bl-1")),
            grants.give(Fetch(tmp_path / "f", 0, 1)),
        )
        for method, token in [("GET", up), ("PUT", blob), ("PUT", down), ("GET", blob)]:
            async with door.client.request(method, f"{door.url}/blocks/{token}") as response:
                assert response.status == 404

    at_door(visit)


def test_a_reader_that_goes_away_is_no_error(at_door, tmp_path, caplog):
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(200_000_000)

    async def visit(door):
        token = door.store.grants.give(Fetch(big, 0, 200_000_000))
        for _ in range(3):
            response = await door.client.get(f"{door.url}/blocks/{token}")
            await response.content.read(10)
            response.close()
        small = door.store.grants.give(Fetch(big, 0, 10))
        async with door.client.get(f"{door.url}/blocks/{small}") as response:
            assert await response.read() == bytes(10)

    at_door(visit)
    assert caplog.text == ""


class Closing:
    def is_closing(self):
        return True


@pytest.mark.parametrize("transport", [None, Closing()], ids=["gone", "going"])
def test_a_reader_that_went_away_before_the_first_byte_is_no_error(transport):
    request = SimpleNamespace(transport=transport)
    with pytest.raises(ConnectionResetError):
        asyncio.run(_pass_on(request, None, 0, 10))


@pytest.mark.slow
def test_bodies_are_never_whole_in_memory(at_door, tmp_path):
    mib = 1 << 20
    size = 128 * mib
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(size)
    piece = bytes(mib)
    digest = hashlib.sha256()
    for _ in range(size // mib):
        digest.update(piece)

    async def pieces():
        for _ in range(size // mib):
            yield piece

    async def visit(door):
        token = door.store.grants.give(Bring(digest.hexdigest()))
        async with door.client.put(f"{door.url}/blocks/{token}", data=pieces()) as response:
            assert response.status == 200
        token = door.store.grants.give(Fetch(big, 0, size))
        async with door.client.get(f"{door.url}/blocks/{token}") as response:
            got = 0
            async for chunk in response.content.iter_any():
                got += len(chunk)
        assert got == size

    tracemalloc.start()
    try:
        at_door(visit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * mib


def dawdling(announced):
    async def body():
        yield b"x" * 1000
        await asyncio.sleep(3600)

    return {"data": body(), "headers": {"Content-Length": str(announced)}}


@pytest.mark.parametrize("patience", [60.0, 0.01])
def test_large_bodies_take_turns(at_door, monkeypatch, patience):
    monkeypatch.setattr(streams, "AT_ONCE", 1)
    monkeypatch.setattr(streams, "PATIENCE", patience)
    bodies = [os.urandom(300_000) for _ in range(5)]

    async def visit(door):
        async def put(data):
            token = door.store.grants.give(Bring(sha256(data)))
            async with door.client.put(f"{door.url}/blocks/{token}", data=data) as response:
                assert response.status == 200

        await asyncio.gather(*map(put, bodies))
        assert door.store.kept() == {sha256(data) for data in bodies}

    at_door(visit)


def test_who_dawdles_keeps_nobody_waiting_for_long(at_door, monkeypatch):
    monkeypatch.setattr(streams, "AT_ONCE", 1)
    monkeypatch.setattr(streams, "PATIENCE", 0.01)
    data = os.urandom(300_000)

    async def visit(door):
        token = door.store.grants.give(Bring("ab" * 32))
        slow = asyncio.ensure_future(
            door.client.put(f"{door.url}/blocks/{token}", **dawdling(300_000))
        )
        while not door.store.leftovers():
            await asyncio.sleep(0)
        token = door.store.grants.give(Bring(sha256(data)))
        async with door.client.put(f"{door.url}/blocks/{token}", data=data) as response:
            assert response.status == 200
        assert not slow.done()
        slow.cancel()

    at_door(visit)
