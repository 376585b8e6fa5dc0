"""Mount options: read-only mounts and sub-paths."""

import errno
from collections.abc import Callable

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, inferred, live_tested
from modal_contracts.scene import DATA, Scene, paths, upload
from modal_contracts.target import Capability

__all__ = ()

OPTIONS = "1.4.3"
READ_ONLY_TEST = live_tested("js/test/sandbox.test.ts", "SandboxWithReadOnlyVolume")

read_only_mounts = [Capability.READ_ONLY_MOUNTS]
sub_paths = [Capability.SUB_PATHS]


def _old_form(volume: modal.Volume) -> modal.Volume:
    return volume.read_only()


def _new_form(volume: modal.Volume) -> modal.Volume:
    return volume.with_mount_options(read_only=True)


both_forms = pytest.mark.parametrize(
    "form", [_old_form, _new_form], ids=["read_only()", "with_mount_options"]
)
Form = Callable[[modal.Volume], modal.Volume]


@both_forms
@clause(
    "volumes/a-read-only-mount-refuses-writes",
    READ_ONLY_TEST,
    since=OPTIONS,
    needs=read_only_mounts,
)
def test_a_read_only_mount_refuses_writes(scene: Scene, form: Form) -> None:
    """Every change below a read-only mount fails with EROFS, and nothing changes."""
    volume = scene.volume(a="1")
    container = scene.container(form(volume))
    attempts = [
        (bodies.write, f"{DATA}/new.txt", "2"),
        (bodies.write, f"{DATA}/a.txt", "2"),
        (bodies.remove, f"{DATA}/a.txt"),
        (bodies.make_directory, f"{DATA}/new"),
        (bodies.move, f"{DATA}/a.txt", f"{DATA}/b.txt"),
    ]
    numbers = [container.run(bodies.error_number, *attempt) for attempt in attempts]
    assert numbers == [errno.EROFS] * len(attempts)
    assert container.names() == ["a.txt"]


@clause(
    "volumes/programs-meet-a-read-only-file-system",
    READ_ONLY_TEST,
    since=OPTIONS,
    needs=[*read_only_mounts, Capability.PROGRAMS],
)
def test_programs_meet_a_read_only_file_system(scene: Scene) -> None:
    """A shell that writes to a read-only mount prints "Read-only file system" and fails."""
    container = scene.container(_new_form(scene.volume()))
    code, _, error = container.run(bodies.run_program, ["sh", "-c", f"echo 1 > {DATA}/a.txt"])
    assert code != 0
    assert "Read-only file system" in error


@both_forms
@clause(
    "volumes/a-read-only-mount-can-be-reloaded",
    assumed("a reload only moves the view; nothing says that it needs the right to write"),
    since=OPTIONS,
    needs=read_only_mounts,
)
def test_a_read_only_mount_can_be_reloaded(scene: Scene, form: Form) -> None:
    """A container with a read-only mount sees what others committed once it reloads."""
    volume = scene.volume()
    reader = scene.container(form(volume))
    reader.start()
    upload(volume, {"a.txt": b"1"})
    assert reader.names() == []
    reader.run(bodies.reload, volume)
    assert reader.names() == ["a.txt"]


@clause(
    "volumes/a-read-only-handle-refuses-changes",
    inferred("modal/volume.py", "_Volume.read_only"),
    since="1.4.3",
)
def test_a_read_only_handle_refuses_changes(scene: Scene) -> None:
    """A handle made with `read_only()` refuses uploads, removals and copies in these words."""
    handle = scene.volume(a="1").read_only()
    refusals = []
    with pytest.raises(modal.exception.InvalidError) as refusal:
        upload(handle, {"b.txt": b"2"})
    refusals.append(str(refusal.value))
    with pytest.raises(modal.exception.InvalidError) as refusal:
        handle.remove_file("a.txt")
    refusals.append(str(refusal.value))
    with pytest.raises(modal.exception.InvalidError) as refusal:
        handle.copy_files(["a.txt"], "b.txt")
    refusals.append(str(refusal.value))
    assert refusals == ["Read-only Volume can not be written to"] * 3
    assert paths(handle) == ["a.txt"]


@clause(
    "volumes/mount-options-do-not-bind-the-handle",
    inferred("modal/volume.py", "_Volume.with_mount_options"),
    since=OPTIONS,
)
def test_mount_options_do_not_bind_the_handle(scene: Scene) -> None:
    """A handle with mount options still uploads, and sees the whole volume."""
    volume = scene.volume(a="1")
    handle = volume.with_mount_options(read_only=True, sub_path="/sub")
    upload(handle, {"b.txt": b"2"})
    assert paths(handle) == ["a.txt", "b.txt"]


@clause(
    "volumes/the-two-read-only-forms-do-not-mix",
    inferred("modal/volume.py", "_Volume.with_mount_options"),
    since=OPTIONS,
)
def test_the_two_read_only_forms_do_not_mix() -> None:
    """A handle that has one of the two forms refuses the other."""
    volume = modal.Volume.from_name("never-looked-up")
    with pytest.raises(modal.exception.InvalidError) as refusal:
        _old_form(_new_form(volume))
    assert str(refusal.value).startswith(
        "Cannot call read_only() on a Volume that has with_mount_options() applied."
    )
    with pytest.raises(modal.exception.InvalidError) as refusal:
        _new_form(_old_form(volume))
    assert str(refusal.value).startswith(
        "Cannot call with_mount_options() on a Volume that has .read_only() applied."
    )


@clause(
    "volumes/mount-options-add-up",
    live_tested("js/test/volume.test.ts", "withMountOptions"),
    since=OPTIONS,
    needs=[*sub_paths, *read_only_mounts],
)
def test_mount_options_add_up(scene: Scene) -> None:
    """A later call keeps what an earlier one set, and `/` stands for the whole volume again."""
    volume = scene.volume(top="1")
    upload(volume, {"sub/a.txt": b"1"})
    narrow = volume.with_mount_options(sub_path="/sub").with_mount_options(read_only=True)
    container = scene.container(narrow)
    assert container.names() == ["a.txt"]
    number = container.run(bodies.error_number, bodies.write, f"{DATA}/b.txt", "2")
    assert number == errno.EROFS
    whole = scene.container(narrow.with_mount_options(sub_path="/", read_only=False))
    assert whole.names() == ["sub", "top.txt"]
