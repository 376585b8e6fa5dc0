import re

import modal
import pytest
from modal_proto import api_pb2

CREATE_IF_MISSING = api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
CREATE_FAIL_IF_EXISTS = api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
EPHEMERAL = api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
V1, V2 = api_pb2.VOLUME_FS_VERSION_V1, api_pb2.VOLUME_FS_VERSION_V2

MANAGED = hasattr(modal.Volume, "objects")
managed = pytest.mark.skipif(not MANAGED, reason="this SDK has no Volume.objects")


def wanted(name="v", creation=0, **more):
    return api_pb2.VolumeGetOrCreateRequest(
        deployment_name=name, object_creation_type=creation, **more
    )


def create(rpc, name="v", **more):
    return rpc("VolumeGetOrCreate", wanted(name, CREATE_FAIL_IF_EXISTS, **more))


def labels(rpc, **more):
    return [i.label for i in rpc("VolumeList", api_pb2.VolumeListRequest(**more)).items]


def test_a_volume_is_made_once_and_found(rpc):
    made = rpc("VolumeGetOrCreate", wanted(creation=CREATE_IF_MISSING))
    assert re.fullmatch(r"vo-[A-Za-z0-9]{22}", made.volume_id)
    for creation in (CREATE_IF_MISSING, 0):
        again = rpc("VolumeGetOrCreate", wanted(creation=creation))
        assert (again.volume_id, again.metadata) == (made.volume_id, made.metadata)


def test_a_missing_volume_is_said_so_in_modals_words(rpc):
    assert rpc.error("VolumeGetOrCreate", wanted("missing-volume")) == (
        "NOT_FOUND",
        "Volume 'missing-volume' not found in environment 'main'",
    )


def test_an_existing_volume_is_said_so(rpc):
    create(rpc)
    assert rpc.error("VolumeGetOrCreate", wanted(creation=CREATE_FAIL_IF_EXISTS)) == (
        "ALREADY_EXISTS",
        "Volume 'v' already exists in environment 'main'",
    )


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a" * 65, "ap-" + "a" * 22, "\0", "ü", "a\n"])
def test_bad_names_are_refused_in_modals_words(rpc, name):
    status, text = rpc.error("VolumeGetOrCreate", wanted(name, CREATE_IF_MISSING))
    assert status == "INVALID_ARGUMENT"
    assert text.startswith(f"Invalid Volume name: '{name}'.\n\nNames may contain only")


@pytest.mark.parametrize(("asked", "got"), [(0, V1), (V1, V1), (V2, V2)])
def test_a_volume_has_the_version_asked_for_or_the_first(rpc, asked, got):
    made = create(rpc, version=asked)
    assert (made.version, made.metadata.version) == (got, got)


def test_an_existing_volume_keeps_its_version(rpc):
    create(rpc, version=V2)
    again = rpc("VolumeGetOrCreate", wanted(creation=CREATE_IF_MISSING, version=V1))
    assert again.metadata.version == V2


@pytest.mark.parametrize("version", [3, 99])
def test_an_unknown_version_is_refused(rpc, version):
    status, _ = rpc.error("VolumeGetOrCreate", wanted("v", CREATE_IF_MISSING, version=version))
    assert status == "INVALID_ARGUMENT"


def test_an_unknown_way_of_making_is_refused(rpc):
    assert rpc.error("VolumeGetOrCreate", wanted(creation=77)) == (
        "INVALID_ARGUMENT",
        "unknown object creation type 77",
    )


@pytest.mark.skipif(not hasattr(api_pb2, "VolumeGetByIdRequest"), reason="older than the call")
def test_a_volume_is_found_by_its_id(rpc):
    made = create(rpc)
    found = rpc("VolumeGetById", api_pb2.VolumeGetByIdRequest(volume_id=made.volume_id))
    assert (found.volume_id, found.metadata) == (made.volume_id, made.metadata)
    assert found.metadata.name == "v"
    assert found.metadata.creation_info.created_at > 0


def test_a_listing_has_named_volumes_newest_first(rpc):
    for name in ("a", "b", "c"):
        create(rpc, name)
    rpc("VolumeGetOrCreate", wanted("", EPHEMERAL))
    reply = rpc("VolumeList", api_pb2.VolumeListRequest())
    assert [i.label for i in reply.items] == ["c", "b", "a"]
    assert reply.environment_name == "main"
    assert all(i.created_at > 0 for i in reply.items)


@pytest.mark.skipif(not hasattr(api_pb2, "ListPagination"), reason="this SDK lists all at once")
def test_a_listing_comes_in_pages(rpc):
    for number in range(7):
        create(rpc, f"v{number}")
    pages, before = [], 0.0
    while True:
        pagination = api_pb2.ListPagination(max_objects=3, created_before=before)
        items = rpc("VolumeList", api_pb2.VolumeListRequest(pagination=pagination)).items
        pages.append([item.label for item in items])
        if len(items) < 3:
            break
        before = items[-1].metadata.creation_info.created_at
    assert pages == [["v6", "v5", "v4"], ["v3", "v2", "v1"], ["v0"]]


def test_a_renamed_volume_keeps_its_id(rpc):
    made = create(rpc, "old")
    rename = api_pb2.VolumeRenameRequest(volume_id=made.volume_id, name="new")
    rpc("VolumeRename", rename)
    assert rpc("VolumeGetOrCreate", wanted("new")).volume_id == made.volume_id
    assert rpc.error("VolumeGetOrCreate", wanted("old"))[0] == "NOT_FOUND"
    create(rpc, "taken")
    taken = api_pb2.VolumeRenameRequest(volume_id=made.volume_id, name="taken")
    assert rpc.error("VolumeRename", taken)[0] == "ALREADY_EXISTS"
    bad = api_pb2.VolumeRenameRequest(volume_id=made.volume_id, name="a/b")
    assert rpc.error("VolumeRename", bad)[0] == "INVALID_ARGUMENT"
    assert labels(rpc) == ["taken", "new"]


def test_a_deleted_volume_is_gone_and_a_new_one_of_its_name_is_another(rpc):
    old = create(rpc)
    rpc("VolumeDelete", api_pb2.VolumeDeleteRequest(volume_id=old.volume_id))
    assert labels(rpc) == []
    new = create(rpc)
    assert new.volume_id != old.volume_id
    listing = api_pb2.VolumeListFilesRequest(volume_id=old.volume_id)
    assert rpc.error("VolumeListFiles", listing) == (
        "NOT_FOUND",
        f"No Volume with ID '{old.volume_id}' found",
    )


UNKNOWN = "vo-test-123"
BY_ID = [
    ("VolumeDelete", api_pb2.VolumeDeleteRequest(volume_id=UNKNOWN)),
    ("VolumeRename", api_pb2.VolumeRenameRequest(volume_id=UNKNOWN, name="x")),
    ("VolumeHeartbeat", api_pb2.VolumeHeartbeatRequest(volume_id=UNKNOWN)),
    ("VolumeCommit", api_pb2.VolumeCommitRequest(volume_id=UNKNOWN)),
    ("VolumeReload", api_pb2.VolumeReloadRequest(volume_id=UNKNOWN)),
    ("VolumeListFiles", api_pb2.VolumeListFilesRequest(volume_id=UNKNOWN)),
    ("VolumeListFiles2", api_pb2.VolumeListFiles2Request(volume_id=UNKNOWN)),
    ("VolumeGetFile", api_pb2.VolumeGetFileRequest(volume_id=UNKNOWN, path="x")),
    ("VolumeGetFile2", api_pb2.VolumeGetFile2Request(volume_id=UNKNOWN, path="x")),
    ("VolumePutFiles", api_pb2.VolumePutFilesRequest(volume_id=UNKNOWN)),
    ("VolumePutFiles2", api_pb2.VolumePutFiles2Request(volume_id=UNKNOWN)),
    ("VolumeRemoveFile", api_pb2.VolumeRemoveFileRequest(volume_id=UNKNOWN, path="x")),
    ("VolumeRemoveFile2", api_pb2.VolumeRemoveFile2Request(volume_id=UNKNOWN, path="x")),
    (
        "VolumeCopyFiles",
        api_pb2.VolumeCopyFilesRequest(volume_id=UNKNOWN, src_paths=["x"], dst_path="y"),
    ),
    (
        "VolumeCopyFiles2",
        api_pb2.VolumeCopyFiles2Request(volume_id=UNKNOWN, src_paths=["x"], dst_path="y"),
    ),
]


@pytest.mark.parametrize(("name", "request_"), BY_ID, ids=[name for name, _ in BY_ID])
def test_unknown_ids_are_said_so_in_modals_words(rpc, name, request_):
    assert rpc.error(name, request_) == ("NOT_FOUND", f"No Volume with ID '{UNKNOWN}' found")


def test_commit_and_reload_need_a_container_that_mounts_the_volume(rpc):
    volume_id = create(rpc).volume_id
    assert rpc.error("VolumeCommit", api_pb2.VolumeCommitRequest(volume_id=volume_id)) == (
        "FAILED_PRECONDITION",
        "commit() can only be called on a mounted volume inside a container",
    )
    assert rpc.error("VolumeReload", api_pb2.VolumeReloadRequest(volume_id=volume_id)) == (
        "FAILED_PRECONDITION",
        "reload() can only be called from within a running function",
    )


def test_the_sdk_raises_modals_errors_outside_containers(modal_emulator):
    volume = modal.Volume.from_name("v", create_if_missing=True)
    volume.hydrate()
    with pytest.raises(RuntimeError) as caught:
        volume.commit()
    assert str(caught.value) == "commit() can only be called on a mounted volume inside a container"
    with pytest.raises(RuntimeError) as caught:
        volume.reload()
    assert str(caught.value) == "reload() can only be called from within a running function"


def test_an_ephemeral_volume_works_and_has_no_name(modal_emulator, rpc):
    with modal.Volume.ephemeral() as volume:
        assert volume.listdir("/") == []
        assert volume.object_id.startswith("vo-")
        assert not getattr(volume, "name", "")
        assert labels(rpc) == []


def test_a_version_that_does_not_fit_is_refused_by_the_sdk(modal_emulator):
    modal.Volume.from_name("v", create_if_missing=True, version=2).hydrate()
    if not hasattr(modal.volume, "_validate_volume_version"):
        pytest.skip("this SDK does not compare versions")
    with pytest.raises(modal.exception.InvalidError) as caught:
        modal.Volume.from_name("v", create_if_missing=True, version=1).hydrate()
    assert str(caught.value).startswith(
        "Volume 'v' exists but has version v2, not v1 as requested."
    )


@managed
def test_the_sdk_makes_lists_and_deletes(modal_emulator):
    modal.Volume.objects.create("one")
    modal.Volume.objects.create("one", allow_existing=True)
    with pytest.raises(modal.exception.AlreadyExistsError, match="already exists"):
        modal.Volume.objects.create("one")
    modal.Volume.objects.create("two", version=2)
    assert [v.name for v in modal.Volume.objects.list()] == ["two", "one"]
    assert [v.name for v in modal.Volume.objects.list(max_objects=1)] == ["two"]
    assert modal.Volume.objects.list(created_before="2020-01-01") == []
    assert modal.Volume.from_name("one").info().name == "one"
    modal.Volume.objects.delete("two")
    modal.Volume.objects.delete("two", allow_missing=True)
    with pytest.raises(modal.exception.NotFoundError):
        modal.Volume.objects.delete("two")


@managed
@pytest.mark.slow
def test_the_sdk_reads_long_listings_page_by_page(modal_emulator, rpc):
    rpc.all([("VolumeGetOrCreate", wanted(f"v{n:03}", CREATE_IF_MISSING)) for n in range(101)])
    listed = [v.name for v in modal.Volume.objects.list()]
    assert listed == [f"v{n:03}" for n in reversed(range(101))]


@pytest.mark.slow
def test_the_command_makes_lists_renames_and_deletes(modal_command):
    made = modal_command("volume", "create", "one").text
    if MANAGED:
        assert "Created Volume 'one' in environment ''." in made
    assert "Code example:" in made and '"/my_vol"' in made
    again = modal_command("volume", "create", "one", fails=True).text
    if MANAGED:
        assert "Volume 'one' already exists in environment 'main'" in again
    listed = modal_command("volume", "list").text
    assert "Name" in listed and "Created at" in listed and "one" in listed
    modal_command("volume", "rename", "one", "two", "--yes")
    missing = modal_command("volume", "ls", "one", fails=True).text
    assert "Volume 'one' not found in environment 'main'" in missing
    modal_command("volume", "delete", "two", "--yes")
    gone = modal_command("volume", "delete", "two", "--yes", fails=True).text
    assert "Volume 'two' not found in environment 'main'" in gone
