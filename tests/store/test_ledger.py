import os
import sqlite3
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest

from modal_emulator.ground.errors import Conflict, DataLoss, EmulatorError
from modal_emulator.store.ledger import SCHEMA, Ledger


@pytest.fixture(params=["memory", "disk"])
def ledger(request, tmp_path):
    made = Ledger(None if request.param == "memory" else tmp_path / "state")
    yield made
    made.close()


def test_a_document_is_found_under_its_kind_and_key(ledger):
    ledger.put("a", "k", b"1")
    ledger.put("a", "k", b"2")
    ledger.put("b", "k", b"\0other")
    assert (ledger.get("a", "k"), ledger.get("b", "k")) == (b"2", b"\0other")
    assert ledger.get("a", "none") is None


def test_documents_of_a_kind_come_in_order_of_their_keys(ledger):
    for key in ("c", "a", "b"):
        ledger.put("a", key, key.encode())
    ledger.put("b", "x", b"")
    assert list(ledger.all("a")) == [("a", b"a"), ("b", b"b"), ("c", b"c")]
    assert [key for key, _ in ledger.all("a", after="a")] == ["b", "c"]


def test_documents_can_be_forgotten_one_by_one_and_by_kind(ledger):
    for key in ("a", "b", "c"):
        ledger.put("k", key, b"")
    ledger.delete("k", "b")
    ledger.delete("k", "none")
    assert [key for key, _ in ledger.all("k")] == ["a", "c"]
    ledger.clear("k")
    assert not list(ledger.all("k"))


def test_a_failing_transaction_changes_nothing_and_undoes_what_memory_holds(ledger):
    undone = []
    ledger.put("k", "a", b"1")
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        ledger.put("k", "a", b"2")
        ledger.on_rollback(lambda: undone.append("first"))
        ledger.on_rollback(lambda: undone.append("second"))
        ledger.on_commit(lambda: undone.append("never"))
        raise ZeroDivisionError
    assert ledger.get("k", "a") == b"1"
    assert undone == ["second", "first"]


def test_what_waits_for_a_commit_is_done_after_the_outermost(ledger):
    done = []
    with ledger.transaction():
        with ledger.transaction():
            ledger.on_commit(lambda: done.append(ledger.get("k", "a")))
        assert not done
        ledger.put("k", "a", b"1")
    assert done == [b"1"]
    with ledger.transaction():
        pass
    assert done == [b"1"]


def test_an_inner_failure_that_is_caught_still_undoes_the_whole(ledger):
    with pytest.raises(EmulatorError, match="nothing of it was kept"), ledger.transaction():
        ledger.put("k", "outer", b"")
        try:
            with ledger.transaction():
                ledger.put("k", "inner", b"")
                raise KeyError
        except KeyError:
            pass
    assert not list(ledger.all("k"))
    with ledger.transaction():
        ledger.put("k", "later", b"")
    assert [key for key, _ in ledger.all("k")] == ["later"]


def test_a_transaction_that_sqlite_ended_by_itself_is_undone_in_memory_too(ledger):
    undone = []
    with pytest.raises(sqlite3.OperationalError), ledger.transaction():
        ledger.on_rollback(lambda: undone.append(True))
        ledger._database.execute("ROLLBACK")
    assert undone == [True]


def fill(ledger):
    for number in range(1000):
        ledger.put("k", str(number), bytes(1000))


@pytest.mark.parametrize(
    ("pragma", "words"),
    [("max_page_count = 10", "No space left"), ("query_only = ON", "Read-only file system")],
)
def test_what_the_disk_refuses_is_told_as_the_system_tells_it(ledger, pragma, words):
    ledger._database.execute(f"PRAGMA {pragma}")
    with pytest.raises(OSError, match=words), ledger.transaction():
        fill(ledger)
    assert not list(ledger.all("k"))


@pytest.mark.parametrize(
    ("free", "flags", "words"),
    [(0, 0, "No space left"), (9, os.ST_RDONLY, "Read-only"), (9, 0, "Input/output error")],
)
def test_sqlite_does_not_always_say_why(tmp_path, monkeypatch, free, flags, words):
    class Vague:
        def execute(self, *_):
            raise sqlite3.OperationalError("disk I/O error")

    ledger = Ledger(tmp_path)
    disk = SimpleNamespace(f_bavail=free, f_flag=flags)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_database", Vague())
        patch.setattr(os, "statvfs", lambda _: disk)
        with pytest.raises(OSError, match=words):
            ledger.put("k", "a", b"")
    ledger.close()


def test_a_ledger_on_disk_is_found_again(tmp_path):
    first = Ledger(tmp_path)
    first.put("k", "a", b"1")
    first.close()
    first.close()
    second = Ledger(tmp_path)
    assert second.get("k", "a") == b"1"
    second.close()


def test_nobody_else_can_read_a_state_directory(tmp_path):
    directory = tmp_path / "state"
    directory.mkdir(mode=0o755)
    ledger = Ledger(directory)
    ledger.put("k", "a", b"1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert set(modes) >= {"ledger.db", "ledger.db-wal", "lock"}
    assert set(modes.values()) == {0o600}
    ledger.close()


def test_two_servers_cannot_have_one_directory(tmp_path):
    first = Ledger(tmp_path)
    with pytest.raises(Conflict, match="in use by another modal-emulator"):
        Ledger(tmp_path)
    first.close()
    Ledger(tmp_path).close()


def test_a_killed_server_does_not_keep_its_directory(tmp_path):
    program = (
        "import os, pathlib, sys; from modal_emulator.store.ledger import Ledger;"
        "keep = Ledger(pathlib.Path(sys.argv[1])); keep.put('k', 'a', b'1');"
        "os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -9
    ledger = Ledger(tmp_path)
    assert ledger.get("k", "a") == b"1"
    ledger.close()


@pytest.mark.parametrize("version", [SCHEMA + 1, 99])
def test_state_of_another_version_is_refused_and_left_alone(tmp_path, version):
    database = sqlite3.connect(tmp_path / "ledger.db")
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    with pytest.raises(Conflict, match=f"its format is {version}, this one reads {SCHEMA}"):
        Ledger(tmp_path)
    # The lock was given back with the refusal.
    with pytest.raises(Conflict, match="its format is"):
        Ledger(tmp_path)


def test_a_file_that_is_no_ledger_is_told_as_such(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"this is no database at all, " * 100)
    with pytest.raises(DataLoss, match=r"ledger\.db cannot be read"):
        Ledger(tmp_path)
