import pytest

from modal_emulator.ground.errors import Conflict
from modal_emulator.store.layer import Change, apply
from modal_emulator.store.limits import NEAR, VolumeLimits
from modal_emulator.store.tree import Entry, Kind, Tree

LIMITS = VolumeLimits(v1_inodes=3, v2_names=2, v2_file_size=100)


def files(*names, size=1):
    entry = Entry(Kind.FILE, size, 0, 0o644)
    return [Change(tuple(name.split("/")), entry) for name in names]


def check(version, old, changes):
    LIMITS.check(version, old, apply(old, changes), changes)


def test_version_1_counts_all_names():
    check(1, Tree(), files("a", "b", "c"))
    with pytest.raises(Conflict, match="No space left on device: a Volume can hold at most 3"):
        check(1, Tree(), files("a", "b", "c/d"))
    check(1, Tree(), files("a", size=1000))


def test_a_volume_that_is_too_full_can_still_be_emptied():
    full = apply(Tree(), files("a", "b", "c", "d", "e"))
    check(1, full, [Change(("a",), None)])
    check(1, full, files("a"))
    check(2, full, [Change(("a",), None)])
    check(2, full, files("a"))


def test_version_2_counts_the_names_of_each_directory():
    check(2, Tree(), files("a", "d/b", "d/c"))
    with pytest.raises(Conflict, match="a directory can hold at most 2 files"):
        check(2, Tree(), files("d/a", "d/b", "d/c"))


def test_version_2_bounds_the_size_of_a_file():
    check(2, Tree(), files("a", size=100))
    with pytest.raises(Conflict, match="smaller than 1 TiB"):
        check(2, Tree(), files("a", size=101))


def test_near_a_bound_it_is_known_what_is_left():
    tree = apply(Tree(), files("a", "d/b", "d/c"))
    assert LIMITS.room(1, tree) == (3, -1, False)
    assert LIMITS.room(2, tree) == (2, -2, True)
    limits = VolumeLimits(v1_inodes=NEAR + 4, v2_names=NEAR + 3)
    assert limits.room(1, tree) is None
    assert limits.room(2, tree) is None
    more = apply(tree, files("e"))
    assert limits.room(1, more) == (NEAR + 4, NEAR - 1, False)
    assert limits.room(2, more) is None
    assert limits.room(2, apply(more, files("d/e", "d/f"))) == (NEAR + 3, NEAR - 4, True)


def test_the_numbers_are_modals():
    limits = VolumeLimits()
    assert (limits.v1_inodes, limits.v2_names) == (500_000, 262_144)
    assert limits.v2_file_size + 1 == 1 << 40
