import contextlib
import hashlib
import io
import os
import stat
from pathlib import Path

import modal
import pytest
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from modal_emulator.rpc.handlers.volume_files import BLOCK_SIZE
from modal_emulator.store.history import Committer

V1, V2 = api_pb2.VOLUME_FS_VERSION_V1, api_pb2.VOLUME_FS_VERSION_V2
OLD_SDK = modal.__version__ < "1.1"
# What the SDK makes of NOT_FOUND where it does not make a FileNotFoundError.
NOT_FOUND = (GRPCError, modal.exception.NotFoundError)
FILE, DIRECTORY = api_pb2.FileEntry.FILE, api_pb2.FileEntry.DIRECTORY


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def version(request):
    return request.param


@pytest.fixture
def volume(modal_emulator, version):
    """A volume of each version, as the SDK holds it."""
    handle = modal.Volume.from_name("v", create_if_missing=True, version=version)
    handle.hydrate()
    return handle


def fill(volume, files, force=False):
    with volume.batch_upload(force=force) as batch:
        for path, data in files.items():
            batch.put_file(io.BytesIO(data), path)


def read(volume, path):
    return b"".join(volume.read_file(path))


def paths(volume, path="/", recursive=True):
    return [e.path for e in volume.listdir(path, recursive=recursive)]


def test_what_is_uploaded_is_read_back(volume):
    files = {"/a.txt": b"a", "/deep/er/b.bin": os.urandom(100_000), "empty": b""}
    fill(volume, files)
    assert {path: read(volume, path) for path in files} == files


def test_a_listing_has_no_leading_slashes_and_both_kinds(volume):
    fill(volume, {"/a.txt": b"abc", "/deep/er/b": b"b"})
    entries = volume.listdir("/", recursive=True)
    assert [(e.path, e.type.value, e.size) for e in entries if e.type.value == FILE] == [
        ("a.txt", FILE, 3),
        ("deep/er/b", FILE, 1),
    ]
    assert [e.path for e in entries if e.type.value == DIRECTORY] == ["deep", "deep/er"]
    assert all(abs(e.mtime - Path("/proc/self").stat().st_mtime) < 3600 for e in entries)


def test_a_listing_of_a_directory_of_a_file_and_of_nothing(volume):
    fill(volume, {"/a.txt": b"abc", "/d/x/1": b"1", "/d/y": b""})
    assert paths(volume, "/", recursive=False) == ["a.txt", "d"]
    for form in ("d", "/d", "d/", "/d/", "./d", "//d"):
        assert paths(volume, form, recursive=False) == ["d/x", "d/y"]
    assert paths(volume, "d") == ["d/x", "d/x/1", "d/y"]
    assert paths(volume, "a.txt", recursive=False) == ["a.txt"]
    assert paths(volume, "a.txt") == ["a.txt"]
    with pytest.raises(NOT_FOUND):
        volume.listdir("nothing")


def test_an_empty_volume_lists_nothing(volume):
    assert volume.listdir("/") == volume.listdir("", recursive=True) == []


def test_long_listings_come_whole(volume, rpc, version):
    sha256 = hashlib.sha256(b"").hexdigest()
    files = [api_pb2.MountFile(filename=f"/d/{n:05}", sha256_hex=sha256) for n in range(2500)]
    rpc("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex=sha256, data=b""))
    rpc("VolumePutFiles", api_pb2.VolumePutFilesRequest(volume_id=volume.object_id, files=files))
    assert paths(volume, "d") == [f"d/{n:05}" for n in range(2500)]
    asked = {"volume_id": volume.object_id, "path": "d", "max_entries": 7}
    for name, request in [
        ("VolumeListFiles", api_pb2.VolumeListFilesRequest(**asked)),
        ("VolumeListFiles2", api_pb2.VolumeListFiles2Request(**asked)),
    ]:
        assert sum(len(reply.entries) for reply in rpc(name, request)) == 7


def test_names_may_be_odd(volume):
    files = {
        "ü ö/日本.txt": b"1",
        "a b": b"2",
        "semi;colon&?#%": b"3",
        "-rf": b"4",
        "new\nline": b"5",
    }
    fill(volume, files)
    assert {path: read(volume, path) for path in files} == files
    assert set(paths(volume)) == {*files, "ü ö"}


def test_existing_files_are_kept_unless_forced(volume):
    fill(volume, {"/a": b"old", "/b": b"old"})
    with pytest.raises(FileExistsError) as caught:
        fill(volume, {"/a": b"new", "/c": b"new"})
    assert "a" in str(caught.value) and "already exists" in str(caught.value)
    assert paths(volume) == ["a", "b"]
    assert read(volume, "a") == b"old"
    fill(volume, {"/a": b"new", "/c": b"new"}, force=True)
    assert (read(volume, "a"), read(volume, "b"), read(volume, "c")) == (b"new", b"old", b"new")


def test_a_file_never_replaces_a_directory(volume):
    fill(volume, {"/d/x": b"x"})
    with pytest.raises(Exception, match="d") as caught:
        fill(volume, {"/d": b"file"}, force=True)
    assert not isinstance(caught.value, AssertionError)
    assert paths(volume) == ["d", "d/x"]


def test_modes_are_kept(volume, tmp_path, modal_emulator):
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o751)
    with volume.batch_upload() as batch:
        batch.put_file(script, "/run.sh")
        batch.put_file(io.BytesIO(b""), "/plain")
        batch.put_file(io.BytesIO(b""), "/chosen", mode=0o600)
    # No call tells a mode; a container would see it.
    entries = modal_emulator._emulator.world.volumes.entries(volume.object_id, "/", recursive=True)
    assert {path: stat.S_IMODE(entry.mode) for path, entry in entries} == {
        "run.sh": 0o751,
        "plain": 0o644,
        "chosen": 0o600,
    }


def test_a_full_disk_is_said_so_and_changes_nothing(volume, monkeypatch, rpc):
    fill(volume, {"/a": b"old"})
    sha256 = hashlib.sha256(b"new").hexdigest()
    rpc("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex=sha256, data=b"new"))
    here = {"volume_id": volume.object_id}
    files = [api_pb2.MountFile(filename=path, sha256_hex=sha256) for path in ("/a", "/b")]
    put = api_pb2.VolumePutFilesRequest(**here, files=files)
    copy = api_pb2.VolumeCopyFilesRequest(**here, src_paths=["a"], dst_path="c")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("modal_emulator.store.edits.copy_file", full)
        patch.setattr("modal_emulator.store.content.Content.show", full)
        for name, request in (("VolumePutFiles", put), ("VolumeCopyFiles", copy)):
            status, text = rpc.error(name, request)
            assert status == "RESOURCE_EXHAUSTED"
            assert "No space left on device" in text
    assert paths(volume) == ["a"]
    assert read(volume, "a") == b"old"
    rpc("VolumePutFiles", put)
    assert read(volume, "a") == b"new"


def test_a_directory_is_uploaded_with_its_files(volume, tmp_path):
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/empty").mkdir()
    (tmp_path / "data/one").write_bytes(b"1")
    (tmp_path / "data/sub/two").write_bytes(b"2")
    (tmp_path / "data/link").symlink_to("one")
    with volume.batch_upload() as batch:
        batch.put_directory(tmp_path / "data", "/to/here")
    files = [e.path for e in volume.listdir("/", recursive=True) if e.type.value == FILE]
    assert files == ["to/here/link", "to/here/one", "to/here/sub/two"]
    assert read(volume, "to/here/link") == b"1"


@pytest.mark.slow
@pytest.mark.parametrize(
    "size",
    [BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE + 12345],
)
def test_files_of_many_blocks_are_whole(volume, tmp_path, size):
    source = tmp_path / "big"
    source.write_bytes(os.urandom(size))
    with volume.batch_upload() as batch:
        batch.put_file(source, "/big")
    assert (
        hashlib.sha256(read(volume, "big")).digest() == hashlib.sha256(source.read_bytes()).digest()
    )
    target = io.BytesIO()
    assert volume.read_file_into_fileobj("big", target) == size
    assert target.getvalue() == source.read_bytes()


@pytest.mark.slow
def test_holes_and_trailing_zeros_come_back(volume, tmp_path):
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.write(b"head")
        file.seek(BLOCK_SIZE + 10)
        file.write(b"middle")
        file.truncate(4 * BLOCK_SIZE + 5)
    with volume.batch_upload() as batch:
        batch.put_file(source, "/sparse")
        batch.put_file(io.BytesIO(bytes(1000)), "/zeros")
    assert read(volume, "sparse") == source.read_bytes()
    assert read(volume, "zeros") == bytes(1000)


def test_many_small_files_at_once(volume):
    files = {f"/d{n % 7}/f{n}": str(n).encode() for n in range(40)}
    fill(volume, files)
    assert {f"/{p}": read(volume, p) for p in paths(volume) if "/" in p} == files


def test_equal_files_are_all_there(volume):
    fill(volume, {f"/{n}": b"same" for n in range(10)})
    assert [read(volume, str(n)) for n in range(10)] == [b"same"] * 10


def test_what_is_missing_cannot_be_read_or_removed(volume):
    with pytest.raises(FileNotFoundError, match="no"):
        read(volume, "no")
    with pytest.raises((FileNotFoundError, *NOT_FOUND), match="no") as caught:
        volume.remove_file("no")
    assert OLD_SDK or isinstance(caught.value, FileNotFoundError)


def test_a_directory_cannot_be_read(volume):
    fill(volume, {"/d/x": b"x"})
    with pytest.raises(Exception, match="d") as caught:
        read(volume, "d")
    assert "bug" not in str(caught.value)


def test_files_and_directories_are_removed(volume):
    fill(volume, {"/a": b"", "/d/x": b"", "/d/e/y": b""})
    volume.remove_file("/a")
    assert paths(volume) == ["d", "d/e", "d/e/y", "d/x"]
    with pytest.raises(Exception, match="d") as caught:
        volume.remove_file("d")
    assert not isinstance(caught.value, FileNotFoundError)
    volume.remove_file("d/e", recursive=True)
    assert paths(volume) == ["d", "d/x"]
    volume.remove_file("d", recursive=True)
    assert paths(volume) == []


def test_files_are_copied_as_cp_does(volume):
    fill(volume, {"/a": b"a", "/b": b"b", "/d/old": b"old"})
    volume.copy_files(["a"], "c")
    volume.copy_files(["a", "/b"], "d")
    volume.copy_files(["b"], "d/old")
    assert {p: read(volume, p) for p in ("c", "d/a", "d/b", "d/old")} == {
        "c": b"a",
        "d/a": b"a",
        "d/b": b"b",
        "d/old": b"b",
    }
    with pytest.raises(Exception, match="no") as caught:
        volume.copy_files(["no"], "x")
    assert "bug" not in str(caught.value)
    assert "x" not in paths(volume)


@pytest.mark.skipif(OLD_SDK, reason="this SDK copies no directories")
def test_directories_are_copied_in_version_2(volume, version):
    fill(volume, {"/d/x": b"x", "/d/e/y": b"y"})
    if version == 1:
        with pytest.raises(ValueError, match="not supported for V1"):
            volume.copy_files(["d"], "copy", recursive=True)
        return
    volume.copy_files(["d"], "copy", recursive=True)
    assert paths(volume, "copy") == ["copy/e", "copy/e/y", "copy/x"]
    with pytest.raises(Exception, match="d") as caught:
        volume.copy_files(["d"], "other")
    assert "bug" not in str(caught.value)


def test_a_reader_gets_one_version_of_a_file(volume, rpc):
    fill(volume, {"/f": b"a" * 1000})
    asked = api_pb2.VolumeGetFile2Request(volume_id=volume.object_id, path="f")
    before = rpc("VolumeGetFile2", asked)
    fill(volume, {"/f": b"b" * 1000}, force=True)
    assert rpc.get(before.get_urls[0]) == b"a" * 1000
    volume.remove_file("f")
    assert rpc.get(before.get_urls[0]) == b"a" * 1000


def test_a_part_of_a_file_is_given(volume, rpc):
    data = os.urandom(BLOCK_SIZE + 1000)
    fill(volume, {"/f": data})

    def part(start, length):
        reply = rpc(
            "VolumeGetFile2",
            api_pb2.VolumeGetFile2Request(
                volume_id=volume.object_id, path="f", start=start, len=length
            ),
        )
        assert reply.size == len(data)
        assert sum(1 for _ in reply.get_urls) == len(reply.get_urls)
        return reply.start, reply.len, [rpc.get(url) for url in reply.get_urls]

    assert part(10, 5) == (10, 5, [data[10:15]])
    assert part(BLOCK_SIZE - 2, 4) == (
        BLOCK_SIZE - 2,
        4,
        [data[BLOCK_SIZE - 2 : BLOCK_SIZE], data[BLOCK_SIZE : BLOCK_SIZE + 2]],
    )
    assert part(BLOCK_SIZE + 10, 0) == (BLOCK_SIZE + 10, 990, [data[BLOCK_SIZE + 10 :]])
    assert part(len(data), 0) == (len(data), 0, [])
    assert part(len(data) + 5, 5) == (len(data), 0, [])
    assert part(len(data) - 3, 100) == (len(data) - 3, 3, [data[-3:]])


def test_the_first_protocol_gives_short_files_in_the_reply_and_long_ones_as_blobs(volume, rpc):
    data = os.urandom(5_000_000)
    fill(volume, {"/short": b"short", "/long": data})

    def get(path, **more):
        return rpc(
            "VolumeGetFile",
            api_pb2.VolumeGetFileRequest(volume_id=volume.object_id, path=path, **more),
        )

    assert (get("short").data, get("short").size) == (b"short", 5)
    assert get("short", start=1, len=2).data == b"ho"
    reply = get("long", start=7)
    assert (reply.WhichOneof("data_oneof"), reply.start, reply.len) == (
        "data_blob_id",
        7,
        len(data) - 7,
    )
    found = rpc("BlobGet", api_pb2.BlobGetRequest(blob_id=reply.data_blob_id))
    assert rpc.get(found.download_url) == data[7:]


def put2(rpc, volume, path, data, **changes):
    digest = hashlib.sha256(data.rstrip(b"\0")).digest()
    block = api_pb2.VolumePutFiles2Request.Block(contents_sha256=digest)
    fields = {"path": path, "size": len(data), "blocks": [block], **changes}
    file = api_pb2.VolumePutFiles2Request.File(**fields)
    return api_pb2.VolumePutFiles2Request(volume_id=volume.object_id, files=[file])


def test_missing_blocks_are_named_once_and_nothing_is_made_before_they_come(volume, rpc):
    request = put2(rpc, volume, "f", b"data")
    request.files.append(request.files[0])
    request.files[1].path = "g"
    reply = rpc("VolumePutFiles2", request)
    assert [(b.file_index, b.block_index) for b in reply.missing_blocks] == [(0, 0)]
    assert paths(volume) == []
    url = reply.missing_blocks[0].put_url
    assert rpc.put(url, b"other")[0] == 400
    assert len(rpc("VolumePutFiles2", request).missing_blocks) == 1
    status, answer = rpc.put(url, b"data")
    assert status == 200
    for file in request.files:
        file.blocks[0].put_response = answer
    assert len(rpc("VolumePutFiles2", request).missing_blocks) == 0
    assert [read(volume, p) for p in ("f", "g")] == [b"data", b"data"]


def test_a_claim_to_have_brought_a_block_is_not_believed(volume, rpc):
    request = put2(rpc, volume, "f", b"data")
    request.files[0].blocks[0].put_response = b"trust me"
    assert len(rpc("VolumePutFiles2", request).missing_blocks) == 1
    assert paths(volume) == []


def test_why_a_block_could_not_be_kept_is_told(volume, rpc):
    request = put2(rpc, volume, "f", b"data")
    request.files[0].blocks[0].put_response = b"not kept: No space left on device"
    with pytest.raises(GRPCError, match="'f' could not be kept: No space left on device") as error:
        rpc("VolumePutFiles2", request)
    assert error.value.status is Status.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "changes",
    [
        {"size": BLOCK_SIZE + 1},
        {"size": 0},
        {"size": 1 << 63},
        {"blocks": []},
        {"blocks": [api_pb2.VolumePutFiles2Request.Block(contents_sha256=b"short")]},
        {"blocks": [api_pb2.VolumePutFiles2Request.Block()]},
    ],
)
def test_files_whose_blocks_make_no_sense_are_refused(volume, rpc, changes):
    request = put2(rpc, volume, "f", b"data", **changes)
    assert rpc.error("VolumePutFiles2", request)[0] == "INVALID_ARGUMENT"


def test_a_block_longer_than_the_file_is_refused(volume, rpc):
    request = put2(rpc, volume, "f", b"data")
    rpc.put(rpc("VolumePutFiles2", request).missing_blocks[0].put_url, b"data")
    request.files[0].size = 3
    assert rpc.error("VolumePutFiles2", request)[0] == "INVALID_ARGUMENT"
    assert paths(volume) == []


BAD_PATHS = ["../x", "a/../../x", "/..", "a\0b", "n" * 256, "/".join("d" * 3000)]


@pytest.mark.parametrize("path", BAD_PATHS, ids=range(len(BAD_PATHS)))
def test_bad_paths_are_refused_by_every_call(volume, rpc, path):
    fill(volume, {"/a": b"a"})
    here = {"volume_id": volume.object_id}
    empty = hashlib.sha256(b"").hexdigest()
    bad = [
        ("VolumeListFiles", api_pb2.VolumeListFilesRequest(**here, path=path)),
        ("VolumeListFiles2", api_pb2.VolumeListFiles2Request(**here, path=path)),
        ("VolumeGetFile", api_pb2.VolumeGetFileRequest(**here, path=path)),
        ("VolumeGetFile2", api_pb2.VolumeGetFile2Request(**here, path=path)),
        ("VolumeRemoveFile", api_pb2.VolumeRemoveFileRequest(**here, path=path)),
        ("VolumeRemoveFile2", api_pb2.VolumeRemoveFile2Request(**here, path=path)),
        ("VolumeCopyFiles", api_pb2.VolumeCopyFilesRequest(**here, src_paths=["a"], dst_path=path)),
        ("VolumeCopyFiles", api_pb2.VolumeCopyFilesRequest(**here, src_paths=[path], dst_path="b")),
        (
            "VolumePutFiles",
            api_pb2.VolumePutFilesRequest(
                **here, files=[api_pb2.MountFile(filename=path, sha256_hex=empty)]
            ),
        ),
        ("VolumePutFiles2", put2(rpc, volume, path, b"", size=0, blocks=[])),
    ]
    rpc("MountPutFile", api_pb2.MountPutFileRequest(sha256_hex=empty, data=b""))
    assert {name: rpc.error(name, request)[0] for name, request in bad} == {
        name: "INVALID_ARGUMENT" for name, _ in bad
    }
    assert paths(volume) == ["a"]


def test_contents_that_were_not_brought_make_no_file(volume, rpc):
    file = api_pb2.MountFile(filename="/f", sha256_hex="0" * 64)
    request = api_pb2.VolumePutFilesRequest(volume_id=volume.object_id, files=[file])
    assert rpc.error("VolumePutFiles", request) == (
        "INVALID_ARGUMENT",
        "The content of '/f' has not been uploaded",
    )


@pytest.mark.slow
def test_the_command_puts_lists_gets_copies_and_removes(modal_command, tmp_path, version):
    modal_command("volume", "create", "v", *(["--version", "2"] if version == 2 else []))
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "dir/a.txt").write_text("a")
    (tmp_path / "dir/sub/b.txt").write_text("b")
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "two.txt").write_text("two")

    said = modal_command("volume", "put", "v", "one.txt", "/").text
    assert "Uploaded file 'one.txt' to '/one.txt'" in said
    said = modal_command("volume", "put", "v", "dir", "/up").text
    assert "Uploaded directory 'dir' to '/up'" in said
    refused = modal_command("volume", "put", "v", "two.txt", "/one.txt", fails=True).text
    assert "already exists" in refused
    modal_command("volume", "put", "v", "two.txt", "/one.txt", "--force")

    # With no terminal the listing is bare paths.
    assert modal_command("volume", "ls", "v").text.split() == ["one.txt", "up"]
    assert modal_command("volume", "ls", "v", "up").text.split() == ["up/a.txt", "up/sub"]
    table = modal_command("volume", "ls", "v", "--json").text
    assert '"one.txt"' in table and '"dir"' in table

    (tmp_path / "down").mkdir()
    said = modal_command("volume", "get", "v", "up", "down").text
    assert "Finished downloading files to local!" in said
    down = tmp_path / "down"
    got = {p.relative_to(down).as_posix(): p.read_text() for p in down.rglob("*.txt")}
    assert got == {"up/a.txt": "a", "up/sub/b.txt": "b"}
    assert modal_command("volume", "get", "v", "one.txt", "-").text.startswith("two")
    refused = modal_command("volume", "get", "v", "one.txt", "two.txt", fails=True).text
    assert "already exists. Use --force to overwrite the output directory" in refused

    modal_command("volume", "cp", "v", "one.txt", "copy.txt")
    if version == 2 and not OLD_SDK:
        modal_command("volume", "cp", "-r", "v", "up", "again")
    said = modal_command("volume", "rm", "v", "one.txt").text
    if not OLD_SDK:
        assert "one.txt was deleted successfully!" in said
    refused = modal_command("volume", "rm", "v", "up", fails=True).text
    assert "up" in refused
    modal_command("volume", "rm", "-r", "v", "up")
    left = modal_command("volume", "ls", "v").text.split()
    assert left == (["again", "copy.txt"] if version == 2 and not OLD_SDK else ["copy.txt"])


@pytest.fixture
def links(volume, modal_emulator):
    """Commit symlinks as a container would; uploads cannot make any."""
    fill(volume, {"/dir/file": b"inside"})

    async def commit():
        volumes = modal_emulator._emulator.world.volumes
        checkout = volumes.checkout(volume.object_id, "ta-test")
        for name, target in LINKS.items():
            (checkout.changes / name).symlink_to(target.format(volume_id=volume.object_id))
        volumes.publish(checkout, volumes.stage(checkout), Committer(via="commit"))
        volumes.release(checkout)

    modal_emulator._run(commit())
    return volume


LINKS = {
    "good": "dir/file",
    "absolute": "/__modal/volumes/{volume_id}/dir/file",
    "etc": "/etc",
    "passwd": "/etc/passwd",
    "up": "../../../../../../../etc/passwd",
    "loop": "loop",
    "to-dir": "dir",
}


def test_symlinks_are_listed_as_such_and_read_inside_the_volume(links):
    types = {e.path: e.type.value for e in links.listdir("/", recursive=True)}
    assert {types[name] for name in LINKS} == {api_pb2.FileEntry.SYMLINK}
    assert "to-dir/file" not in types
    for path in ("good", "absolute", "to-dir/file"):
        assert read(links, path) == b"inside"


@pytest.mark.parametrize("path", ["etc/passwd", "passwd", "up", "loop", "etc/hostname"])
def test_symlinks_lead_out_of_no_volume(links, rpc, path):
    here = {"volume_id": links.object_id}
    asked = [
        ("VolumeGetFile", api_pb2.VolumeGetFileRequest(**here, path=path)),
        ("VolumeGetFile2", api_pb2.VolumeGetFile2Request(**here, path=path)),
        (
            "VolumeCopyFiles2",
            api_pb2.VolumeCopyFiles2Request(**here, src_paths=[path], dst_path="copy"),
        ),
    ]
    for name, request in asked:
        assert rpc.error(name, request)[0] in ("INVALID_ARGUMENT", "NOT_FOUND")
    assert "copy" not in paths(links)


def test_nothing_is_written_or_removed_through_symlinks(links, tmp_path, rpc):
    for path in ("/etc/modal-emulator-was-here", "to-dir/new", "etc/modal-emulator-was-here"):
        with contextlib.suppress(Exception):
            fill(links, {path: b"x"}, force=True)
    assert not Path("/etc/modal-emulator-was-here").exists()
    assert paths(links, "dir") == ["dir/file"]
    for path in ("etc/passwd", "to-dir/file"):
        with pytest.raises((FileNotFoundError, *NOT_FOUND)):
            links.remove_file(path)
    links.remove_file("to-dir")
    links.remove_file("passwd")
    assert Path("/etc/passwd").exists()
    assert read(links, "dir/file") == b"inside"
