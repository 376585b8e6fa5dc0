"""The same containers made by a user without any rights."""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.probe import refusal

NOBODY = 65534
NEEDS = "import modal, modal_emulator, pytest"
TESTS = Path(__file__).parents[1]
SOME = (
    "test_process.py::test_what_is_written_outside_a_volume_goes_with_the_container[userns]",
    "test_process.py::test_the_environment_is_the_plans_and_nothing_else[userns]",
    "test_process.py::test_close_ends_containers_and_removes_their_files[userns]",
    "test_process.py::test_files_are_laid_over_the_root[userns]",
    "test_mounts.py::test_reload_shows_another_view[userns]",
    "test_mounts.py::test_changes_are_kept_in_overlay_format[userns]",
    "test_mounts.py::test_what_the_kernel_left_is_removed_with_the_container[userns]",
    "test_mounts.py::test_what_is_held_cannot_be_taken_away[userns-memory_map]",
    "test_mounts.py::test_changes_are_kept_in_overlay_format[plain]",
    "test_renames.py::test_directories_are_renamed_as_on_modal[userns]",
    "../programs/test_git.py::test_a_repository_is_worked_on_by_two_in_turn[v1]",
    "../programs/test_sqlite.py::test_a_database_is_committed_and_read_elsewhere[wal-v1]",
    "../programs/test_arrays.py::test_what_is_flushed_to_a_mapped_array_is_committed[v2]",
    "test_watch.py::test_programs_make_no_hard_links_either[userns]",
    "test_watch.py::test_to_sync_the_mount_point_is_a_commit[userns]",
    "test_watch.py::test_many_at_once_make_exactly_what_there_is_room_for[userns]",
)


def interpreter() -> str:
    """
    Return a Python of this version that everybody may run, with our packages.

    Ours may be in root's home, and the packages in a place that is root's alone.
    """
    version = "{}.{}".format(*sys.version_info)
    for name in (sys.executable, f"/usr/local/bin/python{version}", f"/usr/bin/python{version}"):
        if Path(name).exists() and as_nobody(name, "-c", NEEDS, code=None).returncode == 0:
            return name
    pytest.skip("no Python of this version here that a user without rights may run with modal")


def as_nobody(*command: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
    packages = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    sources = [str(TESTS.parent / name) for name in ("emulator", "contracts")]
    with tempfile.TemporaryDirectory(prefix="nb-") as place:
        os.chown(place, NOBODY, NOBODY)
        try:
            done = subprocess.run(
                command,
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                cwd="/",
                env={
                    "PATH": os.environ["PATH"],
                    "TMPDIR": place,
                    "PYTHONPATH": os.pathsep.join((*packages, *sources, str(TESTS))),
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                capture_output=True,
                text=True,
            )
        except PermissionError:
            return subprocess.CompletedProcess(command, 126)
        left = os.listdir(place)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    assert [name for name in left if not name.startswith("pytest-of-")] == []
    return done


@pytest.mark.slow
def test_a_user_without_rights_makes_the_same_containers(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("this whole run is a user's")
    if why := refusal(Isolation.USER, place):
        pytest.skip(f"this machine allows no user namespaces: {why}")
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", str(TESTS.parent))
    chosen = [str(TESTS / "runtime" / each) for each in SOME]
    done = as_nobody(interpreter(), "-m", "pytest", *options, *chosen)
    assert f"{len(SOME)} passed" in done.stdout, done.stdout
