import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from modal_emulator import lodging
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.lodging import Lodging, announced

TAKE_AND_DIE = """
import os, sys
from pathlib import Path
from modal_emulator import lodging
lodging.FAST = Path(sys.argv[1])
taken = lodging.Lodging(None)
print(taken.base)
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def fast(tmp_path, monkeypatch):
    monkeypatch.setattr(lodging, "FAST", tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_private_directory_is_gone_at_the_end(fast):
    taken = Lodging(None)
    assert stat.S_IMODE(taken.base.stat().st_mode) == 0o700
    assert taken.sockets.is_dir()
    taken.close()
    assert list(fast.iterdir()) == []


def test_a_given_directory_stays_and_keeps_its_token(fast, tmp_path):
    state = tmp_path / "state"
    first = Lodging(state)
    secret = first.token_secret(Ids())
    assert stat.S_IMODE((state / "token").stat().st_mode) == 0o600
    first.close()
    assert Lodging(state).token_secret(Ids()) == secret


def test_without_a_directory_each_has_a_token_of_its_own(fast):
    one, two = Lodging(None), Lodging(None)
    assert one.token_secret(Ids()) != two.token_secret(Ids())
    one.close()
    two.close()


def test_sockets_have_short_names_whatever_the_directory(fast, tmp_path):
    deep = tmp_path / ("d" * 100) / "state"
    taken = Lodging(deep)
    assert not taken.sockets.is_relative_to(deep)
    taken.close()
    assert not taken.sockets.exists() and deep.exists()


def test_what_a_killed_one_left_is_removed_by_the_next(fast):
    died = subprocess.run(
        [sys.executable, "-c", TAKE_AND_DIE, str(fast)], capture_output=True, text=True, check=False
    )
    left = Path(died.stdout.strip())
    assert died.returncode == -9 and left.is_dir(), died.stderr
    alive = Lodging(None)
    assert not left.exists()
    other = Lodging(None)
    assert alive.base.is_dir()
    alive.close()
    other.close()


def test_one_that_is_being_taken_is_left_alone(fast, monkeypatch):
    """Another emulator may start, and look for what killed ones left, at any moment."""
    lock = lodging.fcntl.flock

    def locked(file, how):
        if how == lodging.fcntl.LOCK_EX:
            lodging._remove_orphans(fast)
        lock(file, how)

    monkeypatch.setattr(lodging.fcntl, "flock", locked)
    taken = Lodging(None)
    assert taken.sockets.is_dir() and (taken.base / lodging.LOCK).exists()
    taken.close()


def test_what_is_not_ours_is_left_alone(fast):
    (fast / "modal-emulator-1-x").mkdir()
    (fast / "modal-emulator-2-x").write_text("a file")
    Lodging(None).close()
    assert {p.name for p in fast.iterdir()} == {"modal-emulator-1-x", "modal-emulator-2-x"}


def test_a_small_shared_memory_is_not_used(fast, monkeypatch):
    class Small:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr(os, "statvfs", lambda path: Small())
    assert not lodging._has_room(fast)
    assert not lodging._has_room(fast / "missing")


@pytest.mark.parametrize("count", [0, 5, 2 * lodging.LITTLE])
def test_what_is_discarded_is_gone_at_the_end(fast, count):
    taken = Lodging(None)
    world, other = taken.base / "world", taken.base / "other"
    (world / "deep" / "er").mkdir(parents=True)
    other.mkdir()
    for number in range(count):
        (world / "deep" / "er" / str(number)).touch()
    taken.discard(world)
    assert count > lodging.LITTLE or not world.exists()
    assert other.exists()
    taken.close()
    assert not taken.base.exists()


def test_word_is_left_of_where_the_server_is(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No server is running with the state directory"):
        announced(tmp_path)
    taken = Lodging(tmp_path)
    secret = taken.token_secret(Ids())
    taken.announce("http://127.0.0.1:5")
    assert announced(tmp_path) == ("http://127.0.0.1:5", secret)
    taken.close()
    with pytest.raises(NotFound):
        announced(tmp_path)


def test_no_word_is_left_where_nothing_is_kept() -> None:
    taken = Lodging(None)
    taken.announce("http://127.0.0.1:5")
    assert not list(taken.base.glob("address"))
    taken.close()
