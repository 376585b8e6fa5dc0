"""What this process may do for its threads, and how a user's comes to it."""

import os
import textwrap
import threading
from pathlib import Path

import pytest

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime.inline.namespace import can_mount, enter_user_namespace
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.mountinfo import mounts_below
from modal_emulator.runtime.probe import refusal
from nobody import as_nobody, interpreter

TESTS = Path(__file__).parents[2]


def test_it_is_tried_whether_threads_may_mount(place: Path) -> None:
    standing = can_mount(place)
    root = refusal(Isolation.ROOT, place)
    assert bool(standing) is not bool(root) or standing.isolation is Isolation.USER
    assert can_mount(place) is standing
    assert not mounts_below(place)
    assert list(place.iterdir()) == []


def test_a_process_with_threads_stays_where_it_is() -> None:
    before, ready = os.readlink("/proc/self/ns/user"), threading.Event()
    thread = threading.Thread(target=ready.wait, name="one more")
    thread.start()
    with pytest.raises(Conflict, match="one more"):
        enter_user_namespace()
    ready.set()
    thread.join()
    assert os.readlink("/proc/self/ns/user") == before


STORY = textwrap.dedent(
    """
    import os, tempfile
    from modal_emulator.runtime.inline.namespace import can_mount, enter_user_namespace

    user = os.getuid(), os.getgid()
    print(bool(can_mount()), can_mount().why)
    enter_user_namespace()
    print(can_mount().isolation.value, (os.getuid(), os.getgid()) == user)
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        try:
            open(file.name)
        except PermissionError:
            print("kept out")
    """
)
MAIN = textwrap.dedent(
    """
    import sys
    from modal_emulator.runtime.inline.namespace import enter_user_namespace

    enter_user_namespace()
    import pytest
    sys.exit(pytest.main(sys.argv[1:]))
    """
)


SOME = (
    "backend.py",
    "mounted.py",
    "offspring.py::test_prints_and_programs_speak_in_order",
    "offspring.py::test_programs_end_with_their_container",
    "spawning.py",
)


def need_namespaces(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("this whole run is a user's")
    if why := refusal(Isolation.USER, place):
        pytest.skip(f"this machine allows no user namespaces: {why}")


def test_a_user_enters_a_namespace_and_stays_who_it_was(place: Path) -> None:
    need_namespaces(place)
    said = as_nobody(interpreter(), "-c", STORY).stdout.splitlines()
    assert said == ["False unshare: Operation not permitted", "userns True", "kept out"]


@pytest.mark.slow
def test_a_user_has_the_same_containers(place: Path) -> None:
    need_namespaces(place)
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", str(TESTS.parent))
    chosen = [str(TESTS / "runtime" / "inline" / f"test_{name}") for name in SOME]
    done = as_nobody(interpreter(), "-c", MAIN, *options, *chosen)
    assert "skipped" not in done.stdout
    assert " passed" in done.stdout
