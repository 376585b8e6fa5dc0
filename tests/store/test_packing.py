import json

from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.store.layer import Change
from modal_emulator.store.packing import (
    pack,
    pack_changes,
    pack_tree,
    unpack,
    unpack_changes,
    unpack_tree,
)
from modal_emulator.store.tree import Entry, Kind, Tree

NAMES = st.text(
    st.characters(exclude_characters="/\0", codec=None), min_size=1, max_size=5
) | st.just("\udcff")
PARTS = st.lists(NAMES, max_size=3).map(tuple)
ENTRIES = st.builds(
    Entry,
    kind=st.sampled_from(Kind),
    size=st.integers(0, 1 << 62),
    mtime_ns=st.integers(-(1 << 62), 1 << 62),
    mode=st.integers(0, 0o7777),
    target=NAMES | st.just(""),
)


@given(st.lists(st.builds(Change, PARTS, st.none() | ENTRIES), max_size=20))
def test_changes_come_back_as_they_were(changes):
    assert unpack_changes(pack_changes(changes)) == tuple(changes)


def test_short_values_can_be_read_by_eye_and_long_ones_are_compressed():
    assert json.loads(pack(["a", 1])) == ["a", 1]
    long = ["the same again and again"] * 1000
    assert len(pack(long)) < 1000
    assert unpack(pack(long)) == long


def test_a_large_tree_comes_back():
    file = Entry(Kind.FILE, 1, 2, 0o644)
    tree = Tree().put((), Entry(Kind.DIRECTORY, 0, 77, 0o700))
    for index in range(300):
        tree = tree.put((f"d{index % 7}", str(index % 5), f"f{index}"), file)
    assert unpack_tree(pack_tree(tree)) == tree
    assert unpack_tree(pack_tree(Tree())) == Tree()
