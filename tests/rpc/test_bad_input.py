"""
Whatever is sent to either port: a clear answer, nothing lost, and the server goes on.

A volume stands by that nobody names; after everything it must hold what it held.
"""

import asyncio
import contextlib
import hashlib
import io
import os
from itertools import cycle
from urllib.parse import urlsplit

import modal
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modal_proto import api_pb2

from modal_emulator.rpc.handlers import blobs, environments, mounts, secrets, volumes

SERVICE = api_pb2.DESCRIPTOR.services_by_name["ModalClient"]
RPCS = sorted(
    name
    for room in (blobs, environments, mounts, secrets, volumes)
    for name in room.RPCS
    if name in SERVICE.methods_by_name
)

WAYS = {"memory": lambda rpc: rpc, "wire": lambda rpc: rpc.by_wire}

# What a call may end in. ABORTED would be a failure inside the emulator, INTERNAL and UNKNOWN
# would be repeated by every SDK.
HONEST = {
    "OK",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "INVALID_ARGUMENT",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "DATA_LOSS",
    "UNIMPLEMENTED",
}

TREASURE = {"kept/a.txt": b"a" * 1000, "kept/deep/b.bin": bytes(range(256)), "c": b""}
EMPTY = hashlib.sha256(b"").hexdigest()

PATHS = [
    "",
    "/",
    ".",
    "..",
    "../..",
    "/../../etc/passwd",
    "a/../../b",
    "/etc/passwd",
    "/__modal/volumes",
    "link/passwd",
    "a\0b",
    "n" * 256,
    "x/" * 3000,
    "\udcff".encode("utf-8", "replace").decode(),
    "~",
    "*",
    "**",
    "-rf",
    "CON",
    "a\nb",
    "file",
    "file/below",
    "dir",
    "dir/file",
]
OTHER = [
    EMPTY,
    "0" * 64,
    "main",
    "en-x",
    "st-x",
    "bl-x",
    "mo-x",
    "v",
    "s",
    "'; DROP TABLE documents",
]

# Few here, for each RPC has its own; `tox -e machine` sends many.
hostile = settings(
    max_examples=settings.default.max_examples // 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def ids(modal_emulator):
    """Make the volume that must not suffer, and two that may; return the ids of those."""
    treasure = modal.Volume.from_name("treasure", create_if_missing=True, version=2)
    with treasure.batch_upload() as batch:
        for path, data in TREASURE.items():
            batch.put_file(io.BytesIO(data), path)
    found = []
    for version in (1, 2):
        volume = modal.Volume.from_name(f"v{version}", create_if_missing=True, version=version)
        with volume.batch_upload() as batch:
            for path in ("file", "dir/file"):
                batch.put_file(io.BytesIO(b"data"), path)
        found.append(volume.object_id)
    yield found
    left = {e.path: e for e in treasure.listdir("/", recursive=True)}
    held = {path: b"".join(treasure.read_file(path)) for path in left if path in TREASURE}
    assert held == TREASURE


def values(field: FieldDescriptor, ids: list[str], depth: int) -> st.SearchStrategy:
    """Values for one field, most of them meant to hurt."""
    kind = field.type
    if kind == FieldDescriptor.TYPE_MESSAGE:
        return messages(field.message_type, ids, depth + 1)
    if kind == FieldDescriptor.TYPE_STRING:
        if field.name in ("volume_id", "app_id", "secret_id"):
            return st.sampled_from([*ids, *ids, "", "vo-x", "vo-\0", "../../x"])
        text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        return st.one_of(st.sampled_from(PATHS), st.sampled_from(OTHER), text)
    if kind == FieldDescriptor.TYPE_BYTES:
        return st.one_of(st.binary(max_size=40), st.just(bytes.fromhex(EMPTY)))
    if kind == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.TYPE_ENUM:
        return st.integers(-1, 7)
    if kind in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return st.floats(width=32)
    small = kind in (
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_SINT32,
    )
    signed = kind in (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64)
    bits = 31 if small else 63
    most = (1 << bits) - 1
    return st.one_of(st.integers(0, 9), st.sampled_from([-1, -most, most] if signed else [most]))


def is_map(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and kind.GetOptions().map_entry


def many(field: FieldDescriptor) -> bool:
    told = getattr(field, "is_repeated", None)  # the older way to ask is going away
    return bool(told) if told is not None else field.label == FieldDescriptor.LABEL_REPEATED


def messages(kind, ids: list[str], depth: int = 0) -> st.SearchStrategy:
    """Messages of a type with any of its fields set, in any way."""

    @st.composite
    def build(draw):
        fields = {}
        for field in kind.fields:
            if depth > 3 or not draw(st.integers(0, 3)):
                continue
            if is_map(field):
                text = values(field.message_type.fields_by_name["key"], ids, depth)
                fields[field.name] = draw(st.dictionaries(text, text, max_size=3))
            elif many(field):
                fields[field.name] = draw(st.lists(values(field, ids, depth), max_size=3))
            else:
                fields[field.name] = draw(values(field, ids, depth))
        return GetMessageClass(kind)(**fields)

    return build()


@pytest.mark.slow
@pytest.mark.parametrize("name", RPCS)
def test_any_request_gets_an_honest_answer(ids, rpc, name):
    request = messages(SERVICE.methods_by_name[name].input_type, ids)

    @hostile
    @given(st.lists(request, min_size=1, max_size=8))
    def send(requests):
        ended = rpc.outcomes([(name, request) for request in requests])
        for request, (status, text) in zip(requests, ended, strict=True):
            assert status in HONEST, (status, text, request)
            assert text or status == "OK"

    send()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "way"), list(zip(RPCS, cycle(WAYS), strict=False)))
def test_bytes_that_are_no_message_get_an_honest_answer(ids, rpc, name, way):
    rpc = WAYS[way](rpc)

    @hostile
    @given(st.lists(st.binary(max_size=200), min_size=1, max_size=8))
    def send(bodies):
        for status, text in rpc.outcomes([(name, body) for body in bodies]):
            assert status in HONEST
            assert text or status == "OK"

    send()


@pytest.mark.parametrize(
    "frame",
    [b"", b"\0", b"\0\0\0", b"\0\0\0\0\5ab", b"\1\0\0\0\0", b"\0\xff\xff\xff\xff"],
    ids=["nothing", "cut", "cut again", "too short", "compressed", "four gigabytes"],
)
@pytest.mark.parametrize("way", WAYS)
def test_frames_that_hold_no_message_are_refused(ids, rpc, frame, way):
    status, text = WAYS[way](rpc).frame("VolumeList", frame)
    assert status == "INVALID_ARGUMENT"
    assert text.startswith("VolumeList: the request ")


async def _say(url: str, data: bytes, answered: bool = True) -> bytes:
    """Send bytes to a port and hear what comes back until it closes, or for a moment."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    heard = b""
    with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        heard = await asyncio.wait_for(reader.read(), 5)
    writer.transport.abort()
    return heard


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"

garbage = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(lambda data: PREFACE + data),
    st.binary(max_size=300).map(lambda data: PREFACE + SETTINGS + data),
    st.sampled_from(
        [
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            PREFACE[:10],
            PREFACE + SETTINGS + b"\xff\xff\xff\1\4\0\0\0\1",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
            b"A" * 100_000,
        ]
    ),
)


@pytest.mark.slow
def test_garbage_on_the_port_of_the_rpcs_does_no_harm(ids, rpc, modal_emulator):
    @hostile
    @given(st.lists(garbage, min_size=1, max_size=4))
    def send(pieces):
        async def all_of_them():
            url = modal_emulator.server_url
            await asyncio.gather(*(_say(url, piece) for piece in pieces))

        asyncio.run(all_of_them())
        assert rpc.by_wire("VolumeList", api_pb2.VolumeListRequest()).items

    send()


def upload_url(rpc, volume_id: str, data: bytes) -> str:
    """Ask where to bring a block."""
    block = api_pb2.VolumePutFiles2Request.Block(contents_sha256=hashlib.sha256(data).digest())
    file = api_pb2.VolumePutFiles2Request.File(path="new", size=len(data), blocks=[block])
    request = api_pb2.VolumePutFiles2Request(volume_id=volume_id, files=[file])
    return rpc("VolumePutFiles2", request).missing_blocks[0].put_url


@pytest.mark.slow
def test_garbage_on_the_port_of_the_bodies_does_no_harm(ids, rpc):
    data = os.urandom(1000)
    url = upload_url(rpc, ids[1], data)
    path = urlsplit(url).path.encode()
    line = st.sampled_from([b"PUT ", b"GET ", b"HEAD ", b"POST ", b"put ", b""])
    place = st.sampled_from([path, path[:-1], b"/", b"/blocks/", b"//", b"/../x", b"*", b"\xff"])
    head = st.sampled_from(
        [
            b"Content-Length: 1000",
            b"Content-Length: -1",
            b"Content-Length: 99999999999999999999",
            b"Transfer-Encoding: chunked",
            b"Content-Encoding: gzip",
            b"Expect: 100-continue",
            b"Range: bytes=5-",
            b"Host: " + b"h" * 10_000,
            b"nonsense",
            b"\0: \0",
        ]
    )
    request = st.builds(
        lambda method, where, heads, body: b"\r\n".join(
            [method + where + b" HTTP/1.1", b"Host: x", *heads, b"", body]
        ),
        line,
        place,
        st.lists(head, max_size=3),
        st.one_of(st.binary(max_size=200), st.just(data[:500]), st.just(b"ff\r\n" + data)),
    )

    @hostile
    @given(st.lists(st.one_of(request, garbage), min_size=1, max_size=4))
    def send(pieces):
        async def all_of_them():
            await asyncio.gather(*(_say(url, piece) for piece in pieces))

        asyncio.run(all_of_them())
        assert rpc.put(f"{url}x", b"")[0] == 404

    send()
    # The block did not come by any of these, and still can.
    assert upload_url(rpc, ids[1], data)
    assert rpc.put(url, data)[0] == 200


@pytest.mark.slow
def test_a_body_cut_off_anywhere_brings_nothing(ids, rpc):
    data = os.urandom(3000)
    url = upload_url(rpc, ids[1], data)
    head = f"PUT {urlsplit(url).path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    whole = head.encode() + data

    @hostile
    @given(st.integers(0, len(whole) - 1))
    def send(length):
        heard = asyncio.run(_say(url, whole[:length]))
        assert b" 200 " not in heard
        assert upload_url(rpc, ids[1], data)

    send()
