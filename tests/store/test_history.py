from modal_emulator.store.history import Committer, History, Version
from modal_emulator.store.layer import Change, Layer
from modal_emulator.store.tree import Entry, Kind

FILE = Entry(Kind.FILE, 1, 0, 0o644)


def layer(layer_id, *changes):
    return Layer(layer_id, tuple(Change(parts, entry) for parts, entry in changes))


def test_a_history_begins_with_nothing():
    assert History().head == Version(0)
    assert History().versions == ()


def test_each_commit_is_a_version_on_top_of_the_last():
    one = History().commit(layer("l1", (("a",), FILE)), 10.0, Committer(via="api"))
    by = Committer("ta-1", "f", "fc-1")
    two = one.commit(layer("l2", (("a",), None), (("b",), FILE)), 11.0, by)
    assert two.head.layers == ("l2", "l1")
    assert [parts for parts, _ in two.head.tree.walk()] == [("b",)]
    assert [(r.number, r.at, r.by, r.changed) for r in two.versions] == [
        (1, 10.0, Committer(via="api"), 1),
        (2, 11.0, by, 2),
    ]
    assert len(one.versions) == 1


def test_the_last_writer_takes_the_whole_file():
    bigger = Entry(Kind.FILE, 99, 5, 0o600)
    history = History().commit(layer("l1", (("a",), bigger)), 0.0, Committer())
    history = history.commit(layer("l2", (("a",), FILE)), 0.0, Committer())
    assert history.head.tree.get(("a",)) == FILE


def test_other_layers_may_show_the_same_version():
    history = History().commit(layer("l1", (("a",), FILE)), 0.0, Committer())
    relayered = history.relayered(("l9",))
    assert relayered.head.layers == ("l9",)
    assert relayered.head.tree is history.head.tree
    assert relayered.versions == history.versions
