"""Names, ids, versions and environments of volumes."""

import modal
import pytest

from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, inferred, live_tested, observed
from modal_contracts.scene import Scene, content, paths, upload

__all__ = ()

MANAGERS = "1.1.2"
NAME_RULE = (
    "Invalid Volume name: '{name}'.\n\nNames may contain only alphanumeric characters, dashes, "
    "periods, and underscores, must be shorter than 64 characters, and cannot conflict with App ID "
    "strings."
)


@clause(
    "volumes/a-missing-volume-is-not-found",
    observed("the log of a real run shows the whole text, with the environment's name"),
)
def test_a_missing_volume_is_not_found(scene: Scene) -> None:
    """Looking up a name that nobody has raises NotFoundError in these words."""
    name = scene.unused_name()
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        modal.Volume.from_name(name).hydrate()
    text = f"Volume '{name}' not found in environment '{scene.environment}'"
    assert str(refusal.value) == text


@clause("volumes/a-handle-looks-nothing-up", documented("sdk/py/latest/modal.Volume"))
def test_a_handle_looks_nothing_up(scene: Scene) -> None:
    """`from_name` is lazy: a handle to a volume that comes later works."""
    name = scene.unused_name()
    early = modal.Volume.from_name(name)
    upload(modal.Volume.from_name(name, create_if_missing=True), {"a.txt": b"1"})
    assert paths(early) == ["a.txt"]


@clause("volumes/create-if-missing-creates-once", documented("guide/volumes"))
def test_create_if_missing_creates_once(scene: Scene) -> None:
    """`create_if_missing` makes the volume the first time and finds it later, files and all."""
    name = scene.unused_name()
    first = modal.Volume.from_name(name, create_if_missing=True)
    upload(first, {"a.txt": b"1"})
    second = modal.Volume.from_name(name, create_if_missing=True)
    assert paths(second) == ["a.txt"]
    assert second.object_id == first.object_id
    assert second.object_id.startswith("vo-")


@pytest.mark.parametrize("name", ["", "two words", "a/b", "ü", "x" * 65, "ap-" + "a" * 22])
@clause(
    "volumes/a-bad-name-is-refused", inferred("modal/_utils/name_utils.py", "check_object_name")
)
def test_a_bad_name_is_refused(name: str) -> None:
    """Names with other characters, too long ones, and those like an app's id are refused."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.Volume.from_name(name)
    assert str(refusal.value) == NAME_RULE.format(name=name)


@clause(
    "volumes/a-name-may-have-64-characters",
    inferred("modal/_utils/name_utils.py", "is_valid_object_name"),
)
def test_a_name_may_have_64_characters(scene: Scene) -> None:
    """A name of 64 letters, digits, dashes, periods and underscores is taken."""
    name = (scene.unused_name("A.b_c-") + "9" * 64)[:64]
    volume = modal.Volume.from_name(name, create_if_missing=True)
    assert paths(volume) == []


@clause(
    "volumes/create-refuses-a-name-that-is-taken",
    inferred("modal/volume.py", "_VolumeManager.create"),
    since=MANAGERS,
)
def test_create_refuses_a_name_that_is_taken(scene: Scene) -> None:
    """`objects.create` raises AlreadyExistsError, and with `allow_existing` keeps what is there."""
    name = scene.unused_name()
    modal.Volume.objects.create(name)
    upload(modal.Volume.from_name(name), {"a.txt": b"1"})
    with pytest.raises(modal.exception.AlreadyExistsError):
        modal.Volume.objects.create(name)
    modal.Volume.objects.create(name, allow_existing=True)
    assert paths(modal.Volume.from_name(name)) == ["a.txt"]


@clause(
    "volumes/create-names-what-is-taken",
    assumed("the service says this of secrets; it is assumed to say the same of volumes"),
    since=MANAGERS,
)
def test_create_names_what_is_taken(scene: Scene) -> None:
    """The refusal of a taken name says which name, and in which environment."""
    name = scene.unused_name()
    modal.Volume.objects.create(name)
    with pytest.raises(modal.exception.AlreadyExistsError) as refusal:
        modal.Volume.objects.create(name)
    text = f"Volume '{name}' already exists in environment '{scene.environment}'"
    assert str(refusal.value) == text


@clause(
    "volumes/the-list-is-newest-first",
    documented("sdk/py/latest/modal.Volume"),
    since=MANAGERS,
)
def test_the_list_is_newest_first(scene: Scene) -> None:
    """`objects.list` gives all named volumes, the newest first, and fewer on request."""
    names = [scene.unused_name() for _ in range(3)]
    for name in names:
        modal.Volume.objects.create(name)
    listed = [volume.name for volume in modal.Volume.objects.list()]
    assert [name for name in listed if name in names] == names[::-1]
    assert [volume.name for volume in modal.Volume.objects.list(max_objects=2)] == listed[:2]


@both_versions
@clause("volumes/a-deleted-volume-is-gone", documented("guide/volumes"), since=MANAGERS)
def test_a_deleted_volume_is_gone(scene: Scene, version: int) -> None:
    """After `objects.delete` the name is free, and a new volume of that name is empty."""
    name = scene.unused_name()
    modal.Volume.objects.create(name, version=version)
    upload(modal.Volume.from_name(name), {"a.txt": b"1"})
    modal.Volume.objects.delete(name)
    with pytest.raises(modal.exception.NotFoundError):
        modal.Volume.from_name(name).hydrate()
    assert paths(modal.Volume.from_name(name, create_if_missing=True)) == []


@clause(
    "volumes/deleting-nothing-is-not-found",
    inferred("modal/volume.py", "_VolumeManager.delete"),
    since="1.1.2",
)
def test_deleting_nothing_is_not_found(scene: Scene) -> None:
    """`objects.delete` of a missing name raises NotFoundError unless `allow_missing` is given."""
    name = scene.unused_name()
    with pytest.raises(modal.exception.NotFoundError):
        modal.Volume.objects.delete(name)
    modal.Volume.objects.delete(name, allow_missing=True)


@clause(
    "volumes/a-recreated-volume-is-another-one",
    documented("guide/volumes"),
    since="1.3.0",
)
def test_a_recreated_volume_is_another_one(scene: Scene) -> None:
    """A handle to a deleted volume stays broken though the name exists again."""
    name = scene.unused_name()
    old = modal.Volume.from_name(name, create_if_missing=True)
    old.hydrate()
    modal.Volume.objects.delete(name)
    new = modal.Volume.from_name(name, create_if_missing=True)
    new.hydrate()
    assert new.object_id != old.object_id
    with pytest.raises(modal.exception.NotFoundError):
        old.listdir("/")


@clause(
    "volumes/an-unknown-id-is-not-found",
    assumed("Modal's own tests have this text in a mock; function calls really answer like it"),
    since="1.3.4",
)
def test_an_unknown_id_is_not_found(scene: Scene) -> None:
    """An id that belongs to nothing is refused, naming it."""
    missing = "vo-" + "0" * 22
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        modal.Volume.from_id(missing).hydrate()
    assert str(refusal.value) == f"No Volume with ID '{missing}' found"


@clause("volumes/an-id-finds-the-volume", documented("sdk/py/latest/modal.Volume"), since="1.3.4")
def test_an_id_finds_the_volume(scene: Scene) -> None:
    """`from_id` gives a handle to the volume with that id."""
    volume = scene.volume(a="1")
    assert content(modal.Volume.from_id(volume.object_id), "a.txt") == b"1"


@clause("volumes/a-rename-keeps-the-id", inferred("modal/volume.py", "_Volume.rename"))
def test_a_rename_keeps_the_id(scene: Scene) -> None:
    """A renamed volume has its files and its id; the old name finds nothing."""
    old, new = scene.unused_name(), scene.unused_name()
    volume = modal.Volume.from_name(old, create_if_missing=True)
    upload(volume, {"a.txt": b"1"})
    modal.Volume.rename(old, new)
    renamed = modal.Volume.from_name(new)
    assert paths(renamed) == ["a.txt"]
    assert renamed.object_id == volume.object_id
    assert paths(volume) == ["a.txt"]
    with pytest.raises(modal.exception.NotFoundError):
        modal.Volume.from_name(old).hydrate()


@clause(
    "volumes/another-version-is-refused",
    inferred("modal/volume.py", "_validate_volume_version"),
    since="1.3.3",
)
def test_another_version_is_refused(scene: Scene) -> None:
    """Asking for a version that an existing volume does not have is refused in these words."""
    name = scene.unused_name()
    modal.Volume.from_name(name, create_if_missing=True, version=1).hydrate()
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.Volume.from_name(name, version=2).hydrate()
    assert str(refusal.value) == (
        f"Volume '{name}' exists but has version v1, not v2 as requested. "
        "To access this Volume, either omit the version parameter or use the correct version."
    )
    modal.Volume.from_name(name).hydrate()


@clause(
    "volumes/there-are-two-versions",
    inferred("modal/volume.py", "_Volume._get_version_proto"),
    since="1.3.0",
)
def test_there_are_two_versions(scene: Scene) -> None:
    """A version other than 1 and 2 is refused in these words."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.Volume.from_name(scene.unused_name(), create_if_missing=True, version=3).hydrate()
    assert str(refusal.value) == "VolumeFS version must be either 1 or 2"


@clause(
    "volumes/an-ephemeral-volume-has-no-name",
    live_tested("js/test/volume.test.ts", "VolumeEphemeral"),
    since=MANAGERS,
)
def test_an_ephemeral_volume_has_no_name(scene: Scene) -> None:
    """An ephemeral volume works as any other, has an id and no name, and is in no list."""
    with modal.Volume.ephemeral() as volume:
        upload(volume, {"a.txt": b"1"})
        assert paths(volume) == ["a.txt"]
        assert not volume.name
        assert volume.object_id.startswith("vo-")
        assert volume.object_id not in [each.object_id for each in modal.Volume.objects.list()]


@clause(
    "volumes/a-missing-environment-is-not-found",
    observed("a project that drives Modal matches this text in real messages"),
)
def test_a_missing_environment_is_not_found(scene: Scene) -> None:
    """Looking into an environment that does not exist is refused, naming it."""
    name = scene.unused_name("nowhere")
    volume = modal.Volume.from_name("anything", environment_name=name)
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        volume.hydrate()
    assert str(refusal.value).startswith(f"Environment '{name}' not found")
