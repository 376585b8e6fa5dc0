import pytest

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.grants import LIFETIME, Bring, BringBlob, Fetch, Grants


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.instant = 1_000_000.0

    def now(self) -> float:
        return self.instant

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the store never waits")

    def advance(self, seconds: float) -> None:
        self.instant += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def grants(tmp_path, clock):
    return Grants(tmp_path / "grants", clock, Ids())


def test_each_token_stands_for_its_own_grant(grants):
    wanted = [Bring("ab" * 32), BringBlob("bl-1"), Bring("ab" * 32)]
    tokens = [grants.give(grant) for grant in wanted]
    assert len(set(tokens)) == 3
    assert [grants.redeem(token) for token in tokens] == wanted


def test_a_token_may_be_used_again_because_clients_retry(grants):
    token = grants.give(Bring("ab" * 32))
    assert grants.redeem(token) == grants.redeem(token)


@pytest.mark.parametrize("token", ["", "x", "../../etc/passwd", "a" * 32])
def test_other_tokens_stand_for_nothing(grants, token):
    grants.give(Bring("ab" * 32))
    with pytest.raises(NotFound, match="unknown or has expired"):
        grants.redeem(token)


def test_a_grant_ends_after_its_lifetime(grants, clock):
    token = grants.give(Bring("ab" * 32))
    clock.advance(LIFETIME - 1)
    assert grants.redeem(token)
    clock.advance(1)
    with pytest.raises(NotFound):
        grants.redeem(token)


def test_a_part_of_a_file_can_be_a_blob_until_its_end(grants, clock, tmp_path):
    fetch = Fetch(tmp_path / "f", 3, 4)
    blob_id = grants.as_blob(fetch)
    assert blob_id.startswith("bl-")
    assert grants.blob(blob_id) == fetch
    assert grants.blob("bl-unknown") is None
    clock.advance(LIFETIME)
    assert grants.blob(blob_id) is None


def test_an_upload_token_is_no_blob(grants):
    assert grants.blob(grants.give(Bring("ab" * 32))) is None


def test_a_pinned_file_stays_what_it_was(grants, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"old")
    pinned = grants.pin(source)
    newer = tmp_path / "newer"
    newer.write_bytes(b"new")
    newer.rename(source)
    assert pinned.read_bytes() == b"old"
    source.unlink()
    assert pinned.read_bytes() == b"old"


def test_a_file_is_pinned_once_however_often_it_is_asked_for(grants, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"x")
    assert len({grants.pin(source) for _ in range(50)}) == 1
    assert source.stat().st_nlink == 2


def test_a_pin_ends_after_its_lifetime_unless_asked_for_again(grants, clock, tmp_path):
    used, unused = tmp_path / "used", tmp_path / "unused"
    for path in (used, unused):
        path.write_bytes(path.name.encode())
        grants.pin(path)
    clock.advance(LIFETIME / 2)
    kept = grants.pin(used)
    clock.advance(LIFETIME / 2)
    grants.give(Bring("ab" * 32))
    assert (used.stat().st_nlink, unused.stat().st_nlink) == (2, 1)
    assert kept.read_bytes() == b"used"


def test_a_later_grant_for_a_pinned_file_is_as_good_as_the_pin(grants, clock, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"x")
    grants.pin(source)
    clock.advance(LIFETIME - 1)
    fetch = Fetch(grants.pin(source), 0, 1)
    token = grants.give(fetch)
    source.unlink()
    clock.advance(LIFETIME - 1)
    assert grants.redeem(token).path.read_bytes() == b"x"


def test_pins_of_an_earlier_process_are_swept(tmp_path, clock):
    source = tmp_path / "file"
    source.write_bytes(b"x")
    Grants(tmp_path / "grants", clock, Ids()).pin(source)
    Grants(tmp_path / "grants", clock, Ids())
    assert list((tmp_path / "grants").iterdir()) == []
    assert source.stat().st_nlink == 1


def test_closing_forgets_everything_and_lets_pinned_files_go(grants, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"x")
    token = grants.give(Fetch(grants.pin(source), 0, 1))
    grants.close()
    with pytest.raises(NotFound):
        grants.redeem(token)
    assert source.stat().st_nlink == 1
    assert not (tmp_path / "grants").exists()
