"""The same containers made by a user without any rights."""

import os
from pathlib import Path

import pytest

from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.probe import refusal
from nobody import as_nobody, interpreter

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
