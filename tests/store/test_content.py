import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.ground.errors import Conflict, DataLoss, Invalid, NotFound
from modal_emulator.store import content as module
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
    content.show(digest, path, mode=mode, mtime_ns=mtime_ns)
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
