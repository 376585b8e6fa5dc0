import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.ground.errors import Conflict, DataLoss, Invalid, NotFound
from modal_emulator.store import content as module
from modal_emulator.store.bundles import Extent
from modal_emulator.store.content import Content


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def content(tmp_path):
    return Content(tmp_path / "content")


def left(content):
    return list(content.incoming.iterdir())


def test_bytes_are_found_by_their_digest(content):
    assert content.add(b"hello") == sha256(b"hello")
    assert content.has(sha256(b"hello"))
    assert content.path(sha256(b"hello")).read_bytes() == b"hello"
    assert content.size(sha256(b"hello")) == 5
    assert not left(content)


def test_bytes_whose_md5_was_not_promised_but_asked_for(content):
    receiver = content.receive(md5="")
    receiver.write(b"hello")
    receiver.finish()
    assert receiver.md5 == hashlib.md5(b"hello").hexdigest()


@pytest.mark.parametrize("digest", [sha256(b"other"), "", "xyz", "../../etc/passwd", "A" * 64])
def test_what_is_not_there_is_not_found(content, digest):
    assert not content.has(digest)
    with pytest.raises(NotFound, match="No content with sha256"):
        content.path(digest)


def test_nothing_is_always_there(content):
    assert content.has(sha256(b""))
    assert content.path(sha256(b"")).read_bytes() == b""
    assert content.path(sha256(b"")).read_bytes() == b""


@given(st.lists(st.binary()))
def test_pieces_are_put_together(tmp_path_factory, pieces):
    content = Content(tmp_path_factory.mktemp("content"))
    whole = b"".join(pieces)
    kept = []
    receiver = content.receive(
        sha256=sha256(whole),
        md5=hashlib.md5(whole).hexdigest(),
        length=len(whole),
        then=lambda digest, length: kept.append((digest, length)),
    )
    for piece in pieces:
        receiver.write(memoryview(piece))
        assert not kept
    assert receiver.finish() == sha256(whole)
    assert kept == [(sha256(whole), len(whole))]
    assert content.path(sha256(whole)).read_bytes() == whole


@pytest.mark.parametrize(
    ("promise", "error", "why"),
    [
        ({"length": 6}, Invalid, "ended after 5 of the 6 bytes"),
        ({"sha256": sha256(b"other")}, DataLoss, "has sha256"),
        ({"md5": "0" * 32}, DataLoss, "has MD5"),
    ],
)
def test_bytes_that_break_their_promise_are_dropped(content, promise, error, why):
    receiver = content.receive(**promise)
    receiver.write(b"hello")
    with pytest.raises(error, match=why):
        receiver.finish()
    assert not left(content)
    assert not content.has(sha256(b"hello"))


def test_a_body_that_is_too_long_ends_at_once(content):
    receiver = content.receive(length=4)
    with pytest.raises(Invalid, match="longer than the 4 bytes"):
        receiver.write(b"hello")
    assert not left(content)
    with pytest.raises(Conflict, match="has ended"):
        receiver.write(b"more")
    with pytest.raises(Conflict, match="has ended"):
        receiver.finish()


def shown(content, digest, path, mode=0o644, mtime_ns=10**18):
    content.show(content.path(digest), path, mode=mode, mtime_ns=mtime_ns)
    status = path.stat()
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (mode, mtime_ns)
    return status.st_ino


def test_bytes_are_shown_without_copying_where_one_file_will_do(content, tmp_path):
    digest = content.add(b"hello")
    one = shown(content, digest, tmp_path / "one")
    same = shown(content, digest, tmp_path / "same")
    other = shown(content, digest, tmp_path / "other", mode=0o600)
    later = shown(content, digest, tmp_path / "later", mtime_ns=2 * 10**18)
    assert one == same == content.path(digest).stat().st_ino
    assert len({one, other, later}) == 3
    for name in ("one", "same", "other", "later"):
        assert (tmp_path / name).read_bytes() == b"hello"
        (tmp_path / name).unlink()
    assert shown(content, digest, tmp_path / "again", mode=0o755) == one


def test_content_stays_readable_whatever_mode_it_is_shown_with(content, tmp_path):
    digest = content.add(b"hello")
    assert shown(content, digest, tmp_path / "shut", mode=0) != content.path(digest).stat().st_ino
    assert content.path(digest).stat().st_mode & 0o400


def test_a_file_gets_only_so_many_links(content, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_LINKS", 2)
    digest = content.add(b"hello")
    made = {shown(content, digest, tmp_path / str(number)) for number in range(3)}
    assert len(made) == 3


def test_a_bad_digest_is_refused_before_anything_is_written(content):
    with pytest.raises(Invalid, match="is not a sha256"):
        content.receive(sha256="../evil")
    assert not left(content)


def test_an_aborted_transfer_leaves_nothing(content):
    receiver = content.receive()
    receiver.write(b"hello")
    receiver.abort()
    receiver.abort()
    assert not left(content)


def test_two_transfers_of_the_same_bytes_do_not_disturb_each_other(content):
    one, two = content.receive(), content.receive()
    for receiver in (one, two):
        receiver.write(b"same")
    assert one.finish() == two.finish()
    assert content.path(sha256(b"same")).read_bytes() == b"same"


def test_what_a_killed_process_left_is_swept_at_the_next_opening(content):
    content.receive().write(b"half")
    content.add(b"whole")
    assert left(content)
    again = Content(content.incoming.parent)
    assert not left(again)
    assert again.has(sha256(b"whole"))


# -------------------------------------------------------------------- files in pieces

A, B, TAIL = b"a" * 8, b"b" * 5, b"t" * 3  # B lacks three zeros at its end
PIECES = [sha256(A), sha256(B), sha256(TAIL)]
WHOLE = A + B + bytes(3) + TAIL


def bring(content, data, sent=None):
    receiver = content.receive_piece(sha256(data))
    receiver.write(data if sent is None else sent)
    receiver.finish()


def test_pieces_that_are_expected_become_one_file(content, tmp_path):
    content.expect(PIECES, 19, 8)
    for data in (TAIL, A, B):
        assert content.whole(PIECES, 19, 8) is None
        bring(content, data)
    whole = content.whole(PIECES, 19, 8)
    assert whole.read_bytes() == WHOLE
    for data, start in ((A, 0), (B, 8), (TAIL, 16)):
        assert content.piece(sha256(data)) == Extent(whole, start, len(data))
        assert not content.has(sha256(data))
    content.show(whole, tmp_path / "shown", mode=0o644, mtime_ns=10**18)
    assert (tmp_path / "shown").stat().st_ino == whole.stat().st_ino
    assert content.whole(PIECES[:2], 16, 8) is None
    assert content.whole([PIECES[1], PIECES[0]], 16, 8) is None
    assert content.whole([], 0, 8) is None


@pytest.mark.parametrize(
    ("sent", "error"), [(b"x" * 5, DataLoss), (b"x" * 8, DataLoss), (b"x" * 9, Invalid)]
)
def test_a_piece_whose_transfer_failed_comes_as_a_content_of_its_own(content, sent, error):
    content.expect(PIECES, 19, 8)
    for data in (A, TAIL):
        bring(content, data)
    with pytest.raises(error):
        bring(content, B, sent)
    assert content.piece(sha256(B)) is None
    assert [content.piece(sha256(data)).length for data in (A, TAIL)] == [8, 3]
    assert content.piece(sha256(A)).path.read_bytes()[:8] == A
    bring(content, B)
    assert content.piece(sha256(B)).path == content.path(sha256(B))
    assert content.whole(PIECES, 19, 8) is None


def test_only_one_transfer_writes_to_the_place_of_a_piece(content):
    content.expect(PIECES, 19, 8)
    first, second = (content.receive_piece(sha256(A)) for _ in range(2))
    second.write(b"wrong")
    second.abort()
    first.write(A)
    first.finish()
    assert content.piece(sha256(A)).path.read_bytes()[:8] == A


def test_room_is_made_only_for_what_is_not_known(content):
    def rooms():
        return len(list((content.incoming.parent / "bundles").iterdir()))

    content.expect(PIECES[:1], 8, 8)
    assert rooms() == 0
    content.expect(PIECES, 19, 8)
    content.expect(PIECES, 19, 8)
    content.expect([sha256(b"new"), PIECES[0]], 16, 8)
    assert rooms() == 1
    Content(content.incoming.parent)
    assert rooms() == 0


def test_pieces_of_zeros_stay_holes(content):
    empty, more = sha256(b""), 4 << 20
    pieces = [empty, sha256(B), empty]
    content.expect(pieces, 3 * more, more)
    bring(content, B)
    whole = content.whole(pieces, 3 * more, more)
    assert whole.read_bytes() == bytes(more) + B + bytes(2 * more - len(B))
    assert whole.stat().st_blocks * 512 < more
    assert content.whole([sha256(B), empty, empty], 3 * more, more) is None
    content.expect([empty, empty], 16, 8)
    assert content.whole([empty, empty], 16, 8) is None


def test_a_piece_that_comes_twice_in_a_file_has_one_place(content):
    twice = [sha256(A), sha256(A)]
    content.expect(twice, 16, 8)
    bring(content, A)
    assert content.piece(sha256(A)).start == 0
    assert content.whole(twice, 16, 8) is None


def test_what_nobody_shows_or_needs_is_swept(content, tmp_path):
    shown, needed, idle = (content.add(data) for data in (b"shown", b"needed", b"idle"))
    content.show(content.path(shown), tmp_path / "there", mode=0o644, mtime_ns=5)
    content.sweep({needed})
    assert [content.has(sha256) for sha256 in (shown, needed, idle)] == [True, True, False]
    (tmp_path / "there").unlink()
    content.sweep(())
    assert not content.has(shown)
