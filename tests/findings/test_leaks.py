"""Values are found in bytes, also across pieces, and taken out of texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.findings.leaks import NONE, Needles, Trail
from modal_emulator.findings.secrecy import Value

TOKEN = Value("TOKEN", "api", "s3cr3t-t0ken")
PASSWORD = Value("PASSWORD", "db", "t0ken-and-more")


def found(needles: Needles, data: bytes) -> set[str]:
    return {seen.key for seen in needles.search(data)}


def test_each_value_is_found_once_with_its_names() -> None:
    needles = Needles([TOKEN, PASSWORD])
    (seen,) = needles.search(b"a s3cr3t-t0ken b s3cr3t-t0ken")
    assert (seen.key, seen.secret, seen.encoding) == ("TOKEN", "api", "")
    assert found(needles, b"s3cr3t-t0ken-and-more") == {"TOKEN", "PASSWORD"}
    assert found(needles, b"s3cr3t") == set()


def test_an_encoding_is_named() -> None:
    (seen,) = Needles([TOKEN]).search(TOKEN.text.encode().hex().encode())
    assert seen.encoding == "hex"


def test_with_no_values_nothing_is_looked_for() -> None:
    assert not NONE
    assert NONE.search(b"anything") == [] and NONE.mask("anything") == "anything"


def test_a_sighting_quotes_the_line_before_it_without_values() -> None:
    needles = Needles([TOKEN, PASSWORD])
    (_, seen) = needles.search(b"first line\nlogin s3cr3t-t0ken then t0ken-and-more; rest\nnext")
    assert seen.excerpt == "login ***TOKEN*** then ***PASSWORD***"
    assert Needles([TOKEN]).search(b"\x00\x80abc s3cr3t-t0ken")[0].excerpt == "***TOKEN***"


@given(st.lists(st.binary(max_size=5)), st.integers(1, 30))
def test_pieces_hide_nothing(noise: list[bytes], size: int) -> None:
    data = b"x".join([*noise, TOKEN.text.encode(), *noise])
    needles, trail = Needles([TOKEN]), Trail()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    seen = [sighting for piece in pieces for sighting in trail.follow(needles, piece)]
    assert {sighting.key for sighting in seen} == {"TOKEN"}


def test_a_quote_shows_no_part_of_a_value_that_an_earlier_piece_holds() -> None:
    needles, trail = Needles([TOKEN, Value("LONG", "api", "0123456789" * 30)]), Trail()
    trail.follow(needles, b"0123456789" * 20)
    (first, second) = trail.follow(needles, b"0123456789" * 10 + b" s3cr3t-t0ken")
    assert first.excerpt == "***LONG***"
    assert second.excerpt == " ***TOKEN***"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nothing here", "nothing here"),
        ("a s3cr3t-t0ken b", "a ***TOKEN*** b"),
        ("s3cr3t-t0kens3cr3t-t0ken", "***TOKEN******TOKEN***"),
        ("s3cr3t-t0ken-and-more!", "***TOKEN***!"),
        ("ü s3cr3t-t0ken ☃", "ü ***TOKEN*** ☃"),
        ("73336372337420 733363723374", "73336372337420 733363723374"),
        ("ends in s3cr3t-t0ken", "ends in ***TOKEN***"),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert Needles([TOKEN, PASSWORD]).mask(text) == masked


@given(st.lists(st.sampled_from([TOKEN.text, PASSWORD.text, "t0ken", "s3cr3t-", " ", "é"])))
def test_nothing_masked_holds_a_value(pieces: list[str]) -> None:
    masked = Needles([TOKEN, PASSWORD]).mask("".join(pieces))
    assert TOKEN.text not in masked and PASSWORD.text not in masked


def test_no_repr_shows_a_value() -> None:
    needles = Needles([TOKEN])
    assert repr(needles).startswith("<Needles")
    assert TOKEN.text not in repr(needles.search(b"s3cr3t-t0ken"))
