import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modal_emulator.ground.errors import DataLoss
from modal_emulator.store.layer import find, is_removal, make_removal, names_below, read_stack
from modal_emulator.store.merging import how_many, merge
from store.overlay import disk_view


def grow(layer, below, moves):
    """Write a layer as a commit does: removals only where something lies below."""
    for path, what in moves:
        parts = tuple(path.split("/"))
        target = layer.joinpath(*parts)
        if any(not p.is_dir() for p in above(layer, parts) if os.path.lexists(p)):
            continue
        if os.path.lexists(target):
            continue
        if what == "gone":
            if find(below, parts) is None:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            make_removal(target)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if what == "directory":
            target.mkdir()
        elif what == "link":
            target.symlink_to("some//where")
        else:
            target.write_text(what)


def above(layer, parts):
    return [layer.joinpath(*parts[:depth]) for depth in range(1, len(parts))]


def removals(layer):
    return [
        str(Path(top, name).relative_to(layer))
        for top, _, names in os.walk(layer)
        for name in names
        if is_removal(Path(top, name).lstat())
    ]


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
MOVES = st.lists(
    st.tuples(PATHS, st.sampled_from(["gone", "directory", "link", "1", "22"])), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(st.lists(MOVES, min_size=2, max_size=6), st.data())
def test_merged_layers_show_the_same(tmp_path_factory, histories, data):
    directory = tmp_path_factory.mktemp("merge")
    layers = []
    for index, moves in enumerate(histories):
        layer = directory / str(index)
        layer.mkdir()
        grow(layer, layers, moves)
        layers.insert(0, layer)
    start = data.draw(st.integers(0, len(layers) - 1))
    end = data.draw(st.integers(start + 1, len(layers)))
    merged = directory / "merged"
    merged.mkdir()
    size = merge(layers[start:end], layers[end:], merged)
    after = [*layers[:start], merged, *layers[end:]]
    assert disk_view(after) == disk_view(layers)
    assert dict(read_stack(after).walk()) == dict(read_stack(layers).walk())
    assert size == sum(len(names) + len(files) for _, names, files in os.walk(merged))
    for path in removals(merged):
        assert find(layers[end:], tuple(path.split("/"))) is not None, path


def test_files_are_linked_and_times_kept(tmp_path):
    top, bottom, merged = (tmp_path / name for name in ("top", "bottom", "merged"))
    for layer in (top, bottom, merged):
        layer.mkdir()
    (bottom / "d").mkdir()
    (bottom / "d" / "a").write_text("1")
    (top / "d").mkdir(mode=0o711)
    os.utime(top / "d", ns=(1, 1))
    os.utime(top, ns=(2, 2))
    merge([top, bottom], [], merged)
    assert (merged / "d" / "a").stat().st_ino == (bottom / "d" / "a").stat().st_ino
    assert (merged / "d").stat().st_mtime_ns == 1
    assert merged.stat().st_mtime_ns == 2


def test_a_cut_is_made_explicit(tmp_path):
    layers = [tmp_path / name for name in ("3", "2", "1")]
    for layer in layers:
        layer.mkdir()
    (layers[2] / "d").mkdir()
    (layers[2] / "d" / "old").touch()
    make_removal(layers[1] / "d")
    (layers[0] / "d").mkdir()
    (layers[0] / "d" / "new").touch()
    merged = tmp_path / "merged"
    merged.mkdir()
    merge(layers[:2], layers[2:], merged)
    assert removals(merged) == ["d/old"]
    assert names_below([merged, layers[2]], ("d",)) == {"new"}


def test_what_no_layer_can_hold_is_told(tmp_path, monkeypatch):
    from modal_emulator.store import merging

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    (tmp_path / "m").mkdir()
    monkeypatch.setattr(merging, "describe", lambda path: None)
    with pytest.raises(DataLoss, match="does not belong into a layer"):
        merge([tmp_path / "a"], [], tmp_path / "m")


@pytest.mark.parametrize(
    ("sizes", "count"),
    [([1, 1], 2), ([1, 1, 1, 1, 100], 4), ([1, 100, 100], 2), ([0, 0, 5], 2), ([5, 4, 30, 1], 2)],
)
def test_small_layers_are_merged_and_large_ones_left(sizes, count):
    assert how_many(sizes) == count


def test_files_are_linked_again_a_logarithm_of_times():
    sizes, links, commits = [], 0, 5000
    for _ in range(commits):
        sizes.insert(0, 1)
        if len(sizes) > 24:
            count = how_many(sizes)
            merged = sum(sizes[:count])
            links += merged
            sizes[:count] = [merged]
        assert len(sizes) <= 24
    assert links / commits < 12  # log2 of 5000
