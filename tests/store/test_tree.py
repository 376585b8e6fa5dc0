import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from modal_emulator.store.history import Committer, History
from modal_emulator.store.layer import Change, Layer
from modal_emulator.store.packing import pack_tree, unpack_tree
from modal_emulator.store.tree import Entry, Kind, Tree


def file(size=1, mtime=0):
    return Entry(Kind.FILE, size, mtime, 0o644)


def folder(mtime=0):
    return Entry(Kind.DIRECTORY, 0, mtime, 0o755)


def test_a_new_tree_is_one_empty_directory():
    tree = Tree()
    assert tree.get(()).is_directory
    assert (tree.count, list(tree.walk()), list(tree.children(()))) == (0, [], [])
    assert tree.get(("a",)) is None
    assert repr(tree) == "<Tree of 0 entries>"


def test_what_is_put_is_found_and_the_old_tree_stays():
    old = Tree().put(("a",), file(1))
    new = old.put(("d", "b"), file(2, mtime=5))
    assert old.get(("d", "b")) is None
    assert new.get(("d", "b")) == file(2, mtime=5)
    assert new.get(("d",)) == Entry(Kind.DIRECTORY, 0, 5, 0o755)  # made on the way
    assert (old.count, new.count) == (1, 3)
    assert new.get(("a", "b")) is None
    assert new.get(("d", "b", "c")) is None


def test_a_tree_may_be_deeper_than_the_stack():
    deep = ("d",) * 3000
    tree = Tree().put((*deep, "a"), file(7))
    assert (tree.count, tree.get((*deep, "a"))) == (3001, file(7))
    assert max(tree.walk(), key=lambda found: len(found[0])) == ((*deep, "a"), file(7))
    assert tree.remove((*deep, "a")).count == 3000
    assert tree.remove(("d",)) == Tree()


def test_untouched_directories_are_shared():
    old = Tree().put(("d", "a"), file()).put(("e", "a"), file())
    new = old.put(("e", "b"), file())
    assert new.root.names["d"] is old.root.names["d"]
    assert new.root.names["e"] is not old.root.names["e"]


def test_walks_and_listings_are_sorted_and_parents_come_first():
    tree = Tree()
    for name in ("b/y", "a", "b/x/z", "c"):
        tree = tree.put(tuple(name.split("/")), file())
    assert ["/".join(p) for p, _ in tree.walk()] == ["a", "b", "b/x", "b/x/z", "b/y", "c"]
    assert [name for name, _ in tree.children(("b",))] == ["x", "y"]
    assert ["/".join(p) for p, _ in tree.walk(("b", "x"))] == ["b/x/z"]
    assert tree.size(("b",)) == 2
    assert (tree.size(("a",)), tree.size(("none",))) == (0, 0)
    for nothing in (("a",), ("none",)):
        assert not list(tree.children(nothing))
        assert not list(tree.walk(nothing))


def test_a_listing_shows_what_a_user_asks_for():
    tree = Tree().put(("d", "e", "f"), file())

    def listed(*parts, recursive):
        return ["/".join(p) for p, _ in tree.listing(parts, recursive=recursive)]

    assert listed(recursive=False) == ["d"]
    assert listed(recursive=True) == ["d", "d/e", "d/e/f"]
    assert listed("d", "e", "f", recursive=True) == ["d/e/f"]
    assert listed("none", recursive=False) == []


def test_a_file_replaces_a_directory_whole_and_the_other_way_round():
    tree = Tree().put(("d", "x"), file())
    tree = tree.put(("d",), file())
    assert (tree.count, tree.get(("d", "x"))) == (1, None)
    tree = tree.put(("d", "y"), file())
    assert [p for p, _ in tree.walk()] == [("d",), ("d", "y")]
    tree = tree.put(("e",), file()).put(("e",), folder())
    assert tree.get(("e",)) == folder()


def test_a_directory_put_again_keeps_what_is_in_it():
    tree = Tree().put(("d", "x"), file()).put(("d",), folder(mtime=9))
    assert tree.get(("d",)).mtime_ns == 9
    assert tree.get(("d", "x")) == file()
    assert tree.put((), folder(mtime=7)).get(()).mtime_ns == 7


def test_what_is_removed_is_gone_with_all_below():
    tree = Tree().put(("d", "e", "x"), file()).put(("a",), file())
    assert [p for p, _ in tree.remove(("d",)).walk()] == [("a",)]
    assert tree.remove(("d", "e")).get(("d",)) is not None
    for nothing in (("none",), ("a", "x"), ("d", "none"), ("d", "e", "none")):
        assert tree.remove(nothing) is tree


def test_the_root_stays_a_directory():
    with pytest.raises(ValueError, match="is a directory"):
        Tree().put((), file())
    with pytest.raises(ValueError, match="stays"):
        Tree().remove(())


# -------------------------------------------------------------------- against a dict

NAMES = st.sampled_from(["a", "b", "c", "\udcff", "ü"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)
KINDS = st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.FIFO])


class TreeMachine(RuleBasedStateMachine):
    """A tree and the history that grew it, beside a plain dict."""

    @initialize()
    def begin(self):
        self.history = History()
        self.model = {}
        self.past = []

    @rule(parts=PATHS, kind=KINDS, size=st.integers(0, 9))
    def put(self, parts, kind, size):
        entry = Entry(kind, size, 0, 0o700, target="t" if kind is Kind.SYMLINK else "")
        for depth in range(1, len(parts)):
            above = self.model.get(parts[:depth])
            if above is None or not above.is_directory:
                self.model[parts[:depth]] = folder()
        if not entry.is_directory:
            self.drop(parts)
        self.model[parts] = entry
        self.commit(Change(parts, entry))

    @rule(parts=PATHS)
    def remove(self, parts):
        self.drop(parts)
        self.model.pop(parts, None)
        self.commit(Change(parts, None))

    def drop(self, parts):
        for path in [p for p in self.model if p[: len(parts)] == parts and p != parts]:
            del self.model[path]

    def commit(self, change):
        self.past.append((self.history.head.tree, dict(self.history.head.tree.walk())))
        self.history = self.history.commit(Layer("l", (change,)), 0.0, Committer())

    @invariant()
    def same(self):
        tree = self.history.head.tree
        assert dict(tree.walk()) == self.model
        assert tree.count == len(self.model)
        assert unpack_tree(pack_tree(tree)) == tree

    @invariant()
    def old_trees_never_change(self):
        for tree, was in self.past[-3:]:
            assert dict(tree.walk()) == was


TestTreeMachine = TreeMachine.TestCase
TestTreeMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


SHORT = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.tuples(
        st.lists(SHORT, min_size=1, max_size=3).map(tuple),
        st.none() | st.builds(file, st.integers(0, 9)) | st.builds(folder, st.integers(0, 9)),
    ),
    max_size=30,
)


@given(STEPS, STEPS, st.booleans())
def test_many_changes_at_once_do_what_they_do_one_by_one(before, steps, with_root):
    old = Tree().change(before)
    if with_root:
        steps = [*steps, ((), folder(7)), *steps]
    for run in (steps, sorted(steps, key=lambda step: step[0])):
        one_by_one = old
        for parts, entry in run:
            one_by_one = one_by_one.remove(parts) if entry is None else one_by_one.put(parts, entry)
        assert old.change(run) == one_by_one
        assert old.change(run).count == sum(1 for _ in one_by_one.walk())
