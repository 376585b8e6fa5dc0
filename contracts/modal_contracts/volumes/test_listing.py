"""Listing and reading files through the service."""

import os
import time

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, inferred, observed
from modal_contracts.scene import DATA, Scene, content, paths, upload

__all__ = ()

BLOCK = 8 * 1024 * 1024
CLOCKS_APART = 300


@both_versions
@clause("volumes/a-listing-shows-one-directory", documented("sdk/py/latest/modal.Volume"))
def test_a_listing_shows_one_directory(scene: Scene, version: int) -> None:
    """`listdir` gives the entries of one directory, with paths from the top of the volume."""
    volume = scene.volume(version)
    upload(volume, {"a.txt": b"1", "deep/b.txt": b"2", "deep/er/c.txt": b"3"})
    assert paths(volume, "/", recursive=False) == ["a.txt", "deep"]
    assert paths(volume, "/deep", recursive=False) == ["deep/b.txt", "deep/er"]
    assert paths(volume, "deep/er", recursive=False) == ["deep/er/c.txt"]


@both_versions
@clause("volumes/a-recursive-listing-shows-all-below", documented("sdk/py/latest/modal.Volume"))
def test_a_recursive_listing_shows_all_below(scene: Scene, version: int) -> None:
    """With `recursive` all depths are listed, and `iterdir` lists them unasked."""
    volume = scene.volume(version)
    upload(volume, {"a.txt": b"1", "deep/er/c.txt": b"3"})
    everything = ["a.txt", "deep", "deep/er", "deep/er/c.txt"]
    assert paths(volume, "/", recursive=True) == everything
    assert sorted(entry.path for entry in volume.iterdir("/")) == everything


@both_versions
@clause("volumes/a-listing-of-a-file-is-the-file", documented("sdk/py/latest/modal.Volume"))
def test_a_listing_of_a_file_is_the_file(scene: Scene, version: int) -> None:
    """Listing a file's path gives that file's entry alone."""
    volume = scene.volume(version)
    upload(volume, {"deep/a.txt": b"12345", "deep/b.txt": b"2"})
    (entry,) = volume.listdir("deep/a.txt")
    assert (entry.path, entry.size) == ("deep/a.txt", 5)


@both_versions
@clause("volumes/an-empty-volume-lists-nothing", documented("sdk/py/latest/modal.Volume"))
def test_an_empty_volume_lists_nothing(scene: Scene, version: int) -> None:
    """A new volume has an empty top directory."""
    volume = scene.volume(version)
    assert volume.listdir("/") == []
    assert volume.listdir("/", recursive=True) == []


@both_versions
@clause(
    "volumes/an-entry-tells-type-size-and-seconds", inferred("modal/types.py", "FileEntry.mtime")
)
def test_an_entry_tells_type_size_and_seconds(scene: Scene, version: int) -> None:
    """An entry carries its type, its size in bytes, and whole seconds of its last change."""
    volume = scene.volume(version)
    container = scene.container(volume)
    container.write("deep/a.txt", "12345")
    container.run(bodies.symlink, "deep/a.txt", f"{DATA}/link")
    container.commit()
    entries = {entry.path: entry for entry in volume.listdir("/", recursive=True)}
    types = {path: entry.type.name for path, entry in entries.items()}
    assert types == {"deep": "DIRECTORY", "deep/a.txt": "FILE", "link": "SYMLINK"}
    assert entries["deep/a.txt"].size == 5
    assert isinstance(entries["deep/a.txt"].mtime, int)
    assert abs(entries["deep/a.txt"].mtime - time.time()) < CLOCKS_APART


@both_versions
@clause(
    "volumes/an-upload-is-stamped-by-the-service",
    inferred("modal/_utils/blob_utils.py", "FileUploadSpec"),
)
def test_an_upload_is_stamped_by_the_service(
    scene: Scene, version: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An uploaded file's time is that of the upload: the local time does not travel."""
    old = tmp_path_factory.mktemp("old") / "a.txt"
    old.write_text("1")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    volume = scene.volume(version)
    with volume.batch_upload() as batch:
        batch.put_file(old, "a.txt")
    (entry,) = volume.listdir("a.txt")
    assert abs(entry.mtime - time.time()) < CLOCKS_APART


@both_versions
@clause(
    "volumes/a-listing-of-nothing-is-not-found",
    observed("user code relies on modal's NotFoundError where others raise FileNotFoundError"),
    since="1.3.0",
)
def test_a_listing_of_nothing_is_not_found(scene: Scene, version: int) -> None:
    """Listing a path that does not exist raises modal's NotFoundError."""
    volume = scene.volume(version, a="1")
    with pytest.raises(modal.exception.NotFoundError):
        volume.listdir("missing")


@clause("volumes/a-listing-takes-no-globs", inferred("modal/volume.py", "_Volume.iterdir"))
def test_a_listing_takes_no_globs(scene: Scene) -> None:
    """A star at the end of the path is refused, with advice."""
    volume = scene.volume(a="1")
    with pytest.raises(modal.exception.InvalidError) as refusal:
        volume.listdir("/*")
    assert str(refusal.value) == (
        "Glob patterns in `volume get` and `Volume.listdir()` are deprecated. "
        "Please remove the glob `*` suffix."
    )
    with pytest.raises(modal.exception.InvalidError, match="Please pass recursive=True instead"):
        volume.listdir("/**")


@both_versions
@pytest.mark.parametrize(
    "size", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 17], ids=lambda size: f"{size}-bytes"
)
@clause("volumes/a-file-is-read-as-it-was-uploaded", documented("sdk/py/latest/modal.Volume"))
def test_a_file_is_read_as_it_was_uploaded(scene: Scene, version: int, size: int) -> None:
    """What is uploaded comes back byte for byte, be it empty or of several blocks."""
    volume = scene.volume(version)
    data = os.urandom(size)
    upload(volume, {"a.bin": data})
    assert content(volume, "a.bin") == data


@both_versions
@clause("volumes/zeros-are-read-as-zeros", inferred("modal/volume.py", "_read_block_body"))
def test_zeros_are_read_as_zeros(scene: Scene, version: int) -> None:
    """Blocks that end in zeros, or hold nothing else, come back at full length."""
    volume = scene.volume(version)
    data = b"head" + bytes(BLOCK) + b"middle" + bytes(BLOCK)
    upload(volume, {"a.bin": data, "zeros.bin": bytes(1000)})
    assert content(volume, "a.bin") == data
    assert content(volume, "zeros.bin") == bytes(1000)


@both_versions
@clause("volumes/reading-nothing-is-not-found", inferred("modal/volume.py", "_Volume.read_file"))
def test_reading_nothing_is_not_found(scene: Scene, version: int) -> None:
    """Reading a path that does not exist raises FileNotFoundError at the first step."""
    steps = iter(scene.volume(version).read_file("missing.txt"))
    with pytest.raises(FileNotFoundError):
        next(steps)


@both_versions
@clause(
    "volumes/a-directory-cannot-be-read",
    assumed("a directory has no bytes; in which words the service refuses is not known"),
    since="1.3.0",
)
def test_a_directory_cannot_be_read(scene: Scene, version: int) -> None:
    """Reading a directory as a file is an error."""
    volume = scene.volume(version)
    upload(volume, {"deep/a.txt": b"1"})
    with pytest.raises((modal.exception.Error, OSError)):
        content(volume, "deep")
