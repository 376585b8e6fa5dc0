"""numpy and safetensors map files of a volume into memory."""

from boxes import Do, both_versions

OPEN = "there are open files preventing the operation"
SIZE = 100_000
SUM = SIZE * (SIZE - 1) // 2


@both_versions
def test_a_mapped_array_is_read_and_hinders_a_reload(boxes: tuple[Do, Do], top: str) -> None:
    writer, reader = boxes
    writer("save_array", f"{top}/a.npy", SIZE)
    writer("commit", top)
    assert reader("reload", top) == ""
    assert reader("map_array", f"{top}/a.npy") == SUM
    assert reader("reload", top) == f"{OPEN}: path a.npy is open"
    reader("let_go")
    assert reader("reload", top) == ""


@both_versions
def test_what_is_flushed_to_a_mapped_array_is_committed(boxes: tuple[Do, Do], top: str) -> None:
    writer, reader = boxes
    writer("make_raw_array", f"{top}/a.raw", SIZE)
    for turn in range(3):
        if turn:
            writer("add_to_array", f"{top}/a.raw", 1)
        writer("commit", top)
        assert reader("reload", top) == ""
        assert reader("sum_raw_array", f"{top}/a.raw") == SUM + turn * SIZE


@both_versions
def test_what_is_stored_and_not_flushed_is_committed_too(boxes: tuple[Do, Do], top: str) -> None:
    """A store through memory leaves no stamp on the file where that is kept in memory itself."""
    writer, reader = boxes
    writer("make_raw_array", f"{top}/a.raw", SIZE)
    writer("commit", top)
    writer("hold_array", f"{top}/a.raw")
    for turn in range(1, 4):
        writer("add_to_held_array", 1)
        if turn == 3:
            writer("let_go")
        writer("commit", top)
        assert reader("reload", top) == ""
        assert reader("sum_raw_array", f"{top}/a.raw") == SUM + turn * SIZE


def test_an_archive_that_is_read_lazily_hinders_a_reload(box: Do) -> None:
    """The words that a user of Modal met."""
    box("save_archive", "/one/tmp/contam.npz")
    assert box("open_archive", "/one/tmp/contam.npz") == ["contam"]
    assert box("reload", "/one") == f"{OPEN}: path tmp/contam.npz is open"
    box("let_go")
    assert box("reload", "/one") == ""


def test_mapped_tensors_hinder_a_reload(boxes: tuple[Do, Do]) -> None:
    writer, reader = boxes
    writer("save_tensors", "/one/model.safetensors")
    writer("commit", "/one")
    assert reader("reload", "/one") == ""
    assert reader("map_tensors", "/one/model.safetensors") == 10_000 * 9_999 / 2
    assert reader("reload", "/one").startswith(OPEN)
    reader("let_go")
    assert reader("reload", "/one") == ""
