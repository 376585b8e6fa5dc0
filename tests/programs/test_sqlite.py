"""SQLite keeps its database on a volume: one writer, committed; others read after a reload."""

import pytest

from boxes import Do, both_versions

OPEN = "there are open files preventing the operation: path app.db"


@both_versions
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_is_committed_and_read_elsewhere(
    boxes: tuple[Do, Do], top: str, mode: str
) -> None:
    writer, reader = boxes
    place = f"{top}/app.db"
    assert writer("open_database", place, mode) == mode
    writer("insert", 0, 1000)
    writer("let_go")
    writer("commit", top)
    assert reader("reload", top) == ""
    assert reader("count_rows", place) == (1000, "ok")


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_an_open_database_refuses_a_reload_and_not_a_commit(
    boxes: tuple[Do, Do], mode: str
) -> None:
    """In WAL mode the rows are in a second file, which a commit takes as well."""
    writer, reader = boxes
    writer("open_database", "/one/app.db", mode)
    for turn in range(3):
        writer("insert", turn * 100, 100)
        assert writer("reload", "/one").startswith(OPEN)
        writer("commit", "/one")
        assert reader("reload", "/one") == ""
        assert reader("count_rows", "/one/app.db") == ((turn + 1) * 100, "ok")
    writer("let_go")
    assert writer("reload", "/one") == ""
    assert writer("count_rows", "/one/app.db") == (300, "ok")
