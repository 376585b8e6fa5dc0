import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.paths import parse, show


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("", ()),
        ("/", ()),
        (".", ()),
        ("//./", ()),
        ("a", ("a",)),
        ("/a/b", ("a", "b")),
        ("a//b/./c/", ("a", "b", "c")),
        ("...", ("...",)),
        ("..a/b..", ("..a", "b..")),
        ("grüße/日本.txt", ("grüße", "日本.txt")),
        (" /\n", (" ", "\n")),
        ("x" * 255, ("x" * 255,)),
    ],
)
def test_paths_are_read_as_names(path, parts):
    assert parse(path) == parts


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("..", r"'\.\.' is not allowed"),
        ("a/../b", r"'\.\.' is not allowed"),
        ("/../etc/passwd", r"'\.\.' is not allowed"),
        ("a\0b", "NUL"),
        ("x" * 256, "longer than 255 bytes"),
        ("ü" * 128, "longer than 255 bytes"),
        ("a/\udcff", "not valid Unicode"),
        ("ab/" * 1400, "longer than 4095 bytes"),
    ],
)
def test_what_no_volume_can_hold_is_refused(path, why):
    with pytest.raises(Invalid, match=why):
        parse(path)


def test_odd_bytes_leave_as_escapes():
    assert show(("a", os.fsdecode(b"b\xff\n"))) == "a/b\\xff\n"
    assert show(()) == ""


@given(st.text())
def test_any_text_is_read_or_refused_and_what_is_read_comes_back(path):
    try:
        parts = parse(path)
    except Invalid:
        return
    assert parse(show(parts)) == parts
    assert not {"", ".", ".."} & set(parts)
