"""Uploading, removing and copying files through the service."""

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import DATA, Scene, content, paths, upload

__all__ = ()

UPLOAD = inferred("modal/volume.py", "_Volume.batch_upload")


@both_versions
@clause("volumes/an-upload-does-not-overwrite-unasked", UPLOAD)
def test_an_upload_does_not_overwrite_unasked(scene: Scene, version: int) -> None:
    """An upload to a path that exists raises FileExistsError and keeps the old content."""
    volume = scene.volume(version, a="old")
    with pytest.raises(FileExistsError):
        upload(volume, {"a.txt": b"new"})
    assert content(volume, "a.txt") == b"old"


@both_versions
@clause("volumes/a-forced-upload-overwrites", documented("sdk/py/latest/modal.Volume"))
def test_a_forced_upload_overwrites(scene: Scene, version: int) -> None:
    """With `force` an upload replaces the file that was there."""
    volume = scene.volume(version, a="old and longer")
    upload(volume, {"a.txt": b"new"}, force=True)
    assert content(volume, "a.txt") == b"new"


@both_versions
@pytest.mark.parametrize("force", [False, True], ids=["plain", "forced"])
@clause(
    "volumes/an-upload-never-replaces-a-directory",
    documented("sdk/py/latest/modal.Volume"),
    since="1.3.0",
)
def test_an_upload_never_replaces_a_directory(scene: Scene, version: int, force: bool) -> None:
    """A file cannot take the place of a directory, not even by force."""
    volume = scene.volume(version)
    upload(volume, {"deep/a.txt": b"1"})
    with pytest.raises((modal.exception.Error, OSError)):
        upload(volume, {"deep": b"2"}, force=force)
    assert paths(volume) == ["deep", "deep/a.txt"]


@both_versions
@clause(
    "volumes/an-upload-is-all-or-nothing",
    assumed("all files of a batch travel in one request; it is assumed to succeed or fail whole"),
)
def test_an_upload_is_all_or_nothing(scene: Scene, version: int) -> None:
    """When one file of a batch cannot be taken, none is."""
    volume = scene.volume(version, taken="old")
    with pytest.raises(FileExistsError):
        upload(volume, {"a.txt": b"1", "taken.txt": b"2", "z.txt": b"3"})
    assert paths(volume) == ["taken.txt"]


@both_versions
@clause("volumes/a-batch-that-raises-uploads-nothing", UPLOAD)
def test_a_batch_that_raises_uploads_nothing(scene: Scene, version: int) -> None:
    """An exception inside the `with` block comes through, and nothing was sent."""
    volume = scene.volume(version)
    with pytest.raises(ZeroDivisionError), volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"1"), "a.txt")
        raise ZeroDivisionError
    assert paths(volume) == []


@both_versions
@clause("volumes/an-upload-makes-directories", documented("sdk/py/latest/modal.Volume"))
def test_an_upload_makes_directories(scene: Scene, version: int) -> None:
    """Directories above an uploaded file come into being with it."""
    volume = scene.volume(version)
    upload(volume, {"/one/two/a.txt": b"1"})
    assert paths(volume) == ["one", "one/two", "one/two/a.txt"]


@both_versions
@clause("volumes/a-slash-at-the-end-names-a-file", UPLOAD)
def test_a_slash_at_the_end_names_a_file(scene: Scene, version: int) -> None:
    """`put_file(x, "dir/")` makes a file named `dir`; only `/` itself is refused."""
    volume = scene.volume(version)
    upload(volume, {"dir/": b"1"})
    (entry,) = volume.listdir("/")
    assert (entry.path, entry.type.name) == ("dir", "FILE")
    with pytest.raises(ValueError, match="must refer to a file - cannot end with /"):
        upload(volume, {"/": b"1"})


@both_versions
@clause(
    "volumes/a-directory-is-uploaded-by-its-files",
    inferred("modal/volume.py", "_VolumeUploadContextManager.put_directory"),
)
def test_a_directory_is_uploaded_by_its_files(scene: Scene, version: int, tmp_path: Path) -> None:
    """`put_directory` takes files of all depths, follows links to files, leaves out empty ones."""
    (tmp_path / "deep" / "hollow").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "deep" / "b.txt").write_text("2")
    (tmp_path / "link.txt").symlink_to("a.txt")
    volume = scene.volume(version)
    with volume.batch_upload() as batch:
        batch.put_directory(tmp_path, "/in")
    expected = ["in", "in/a.txt", "in/deep", "in/deep/b.txt", "in/link.txt"]
    assert paths(volume) == expected
    assert content(volume, "in/link.txt") == b"1"


@both_versions
@clause(
    "volumes/an-upload-keeps-the-mode",
    inferred("modal/_utils/blob_utils.py", "get_file_upload_spec_from_path"),
)
def test_an_upload_keeps_the_mode(scene: Scene, version: int, tmp_path: Path) -> None:
    """A script that can be executed here can be executed in a container."""
    script = tmp_path / "hello.sh"
    script.write_text("#!/bin/sh\necho hello\n")
    script.chmod(0o755)
    volume = scene.volume(version)
    with volume.batch_upload() as batch:
        batch.put_file(script, "hello.sh")
    container = scene.container(volume)
    assert container.run(bodies.run_program, [f"{DATA}/hello.sh"]) == (0, "hello\n", "")


@both_versions
@clause("volumes/an-upload-of-bytes-has-an-ordinary-mode", UPLOAD)
def test_an_upload_of_bytes_has_an_ordinary_mode(scene: Scene, version: int) -> None:
    """A file object is uploaded with mode 644 unless another mode is given."""
    volume = scene.volume(version)
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"1"), "plain")
        batch.put_file(io.BytesIO(b"2"), "secret", mode=0o600)
    container = scene.container(volume)
    modes = [container.run(os.stat, f"{DATA}/{name}").st_mode for name in ("plain", "secret")]
    assert [stat.S_IMODE(mode) for mode in modes] == [0o644, 0o600]


@both_versions
@clause(
    "volumes/only-what-is-there-is-uploaded",
    inferred("modal/volume.py", "_VolumeUploadContextManager.put_directory"),
)
def test_only_what_is_there_is_uploaded(scene: Scene, version: int, tmp_path: Path) -> None:
    """A missing file raises FileNotFoundError, and what is no directory an AssertionError."""
    (tmp_path / "file").write_text("1")
    volume = scene.volume(version)
    with pytest.raises(FileNotFoundError), volume.batch_upload() as batch:
        batch.put_file(tmp_path / "missing", "a.txt")
    with pytest.raises(AssertionError), volume.batch_upload() as batch:
        batch.put_directory(tmp_path / "file", "/in")
    assert paths(volume) == []


@both_versions
@clause(
    "volumes/a-file-is-read-into-a-file-object",
    inferred("modal/volume.py", "_Volume.read_file_into_fileobj"),
)
def test_a_file_is_read_into_a_file_object(scene: Scene, version: int) -> None:
    """`read_file_into_fileobj` writes the bytes, and returns how many there were."""
    volume = scene.volume(version)
    data = bytes(range(256)) * 100
    upload(volume, {"a.bin": data})
    target = io.BytesIO()
    assert volume.read_file_into_fileobj("a.bin", target) == len(data)
    assert target.getvalue() == data
    with pytest.raises(FileNotFoundError):
        volume.read_file_into_fileobj("missing", target)


@both_versions
@clause(
    "volumes/paths-do-not-lead-upwards",
    assumed("a path with `..` could leave the volume; it is assumed to be refused everywhere"),
    since="1.3.0",
)
def test_paths_do_not_lead_upwards(scene: Scene, version: int) -> None:
    """No upload, listing, read, removal or copy takes a path with `..` in it."""
    volume = scene.volume(version, a="1")
    attempts: list[Callable[[], object]] = [
        lambda: upload(volume, {"../x": b"1"}),
        lambda: volume.listdir("deep/../.."),
        lambda: content(volume, "../a.txt"),
        lambda: volume.remove_file("../a.txt"),
        lambda: volume.copy_files(["../a.txt"], "b.txt"),
        lambda: volume.copy_files(["a.txt"], "../b.txt"),
    ]
    for attempt in attempts:
        with pytest.raises((modal.exception.Error, OSError)):
            attempt()
    assert paths(volume) == ["a.txt"]


@both_versions
@clause("volumes/a-removal-takes-the-file", documented("sdk/py/latest/modal.Volume"))
def test_a_removal_takes_the_file(scene: Scene, version: int) -> None:
    """`remove_file` removes one file and leaves the others."""
    volume = scene.volume(version, a="1", b="2")
    volume.remove_file("a.txt")
    assert paths(volume) == ["b.txt"]


@both_versions
@clause(
    "volumes/removing-nothing-is-not-found",
    inferred("modal/volume.py", "_Volume.remove_file"),
    since="1.1.0",
)
def test_removing_nothing_is_not_found(scene: Scene, version: int) -> None:
    """Removing a path that does not exist raises FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        scene.volume(version).remove_file("missing.txt")


@both_versions
@clause(
    "volumes/a-directory-is-removed-only-recursively",
    assumed("the parameter exists to be needed; in which words the service refuses is not known"),
    since="1.3.0",
)
def test_a_directory_is_removed_only_recursively(scene: Scene, version: int) -> None:
    """A directory with files is removed with `recursive`, and refused without."""
    volume = scene.volume(version, b="2")
    upload(volume, {"deep/er/a.txt": b"1"})
    with pytest.raises((modal.exception.Error, OSError)):
        volume.remove_file("deep")
    assert "deep/er/a.txt" in paths(volume)
    volume.remove_file("deep", recursive=True)
    assert paths(volume) == ["b.txt"]


@both_versions
@clause(
    "volumes/a-copy-goes-to-a-name-or-into-a-directory", documented("sdk/py/latest/modal.Volume")
)
def test_a_copy_goes_to_a_name_or_into_a_directory(scene: Scene, version: int) -> None:
    """`copy_files` follows `cp`: to a new name, or into a directory that exists."""
    volume = scene.volume(version, a="1", b="2")
    upload(volume, {"deep/keep.txt": b"3"})
    volume.copy_files(["a.txt"], "copy.txt")
    volume.copy_files(["a.txt", "b.txt"], "deep")
    expected = ["a.txt", "b.txt", "copy.txt", "deep"]
    assert paths(volume, recursive=False) == expected
    assert paths(volume, "deep") == ["deep/a.txt", "deep/b.txt", "deep/keep.txt"]
    assert content(volume, "copy.txt") == b"1"
    assert content(volume, "deep/b.txt") == b"2"


@both_versions
@clause(
    "volumes/copying-nothing-is-not-found",
    inferred("modal/volume.py", "_Volume.copy_files"),
    since="1.1.0",
)
def test_copying_nothing_is_not_found(scene: Scene, version: int) -> None:
    """Copying a path that does not exist raises modal's NotFoundError."""
    with pytest.raises(modal.exception.NotFoundError):
        scene.volume(version).copy_files(["missing.txt"], "b.txt")


@both_versions
@clause(
    "volumes/several-files-are-copied-into-a-directory-only",
    assumed("`cp` refuses it; the documentation says that copying is like `cp`"),
    since="1.3.0",
)
def test_several_files_are_copied_into_a_directory_only(scene: Scene, version: int) -> None:
    """Two sources and a target that is no directory are refused, and nothing is copied."""
    volume = scene.volume(version, a="1", b="2", c="3")
    for target in ("missing", "c.txt"):
        with pytest.raises((modal.exception.Error, OSError)):
            volume.copy_files(["a.txt", "b.txt"], target)
    assert paths(volume) == ["a.txt", "b.txt", "c.txt"]
    assert content(volume, "c.txt") == b"3"


@clause(
    "volumes/a-directory-is-copied-on-v2-only",
    inferred("modal/volume.py", "_Volume.copy_files"),
    since="1.0.5",
)
def test_a_directory_is_copied_on_v2_only(scene: Scene) -> None:
    """With `recursive` a directory is copied on version 2, and refused on version 1."""
    first, second = scene.volume(1), scene.volume(2)
    for volume in (first, second):
        upload(volume, {"deep/er/a.txt": b"1"})
    second.copy_files(["deep"], "copy", recursive=True)
    assert content(second, "copy/er/a.txt") == b"1"
    with pytest.raises(ValueError, match="`recursive` is not supported for V1 volumes"):
        first.copy_files(["deep"], "copy", recursive=True)
