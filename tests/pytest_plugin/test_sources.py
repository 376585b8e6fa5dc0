"""Finding the source of frames that came back from a container."""

import linecache
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from modal_emulator.pytest_plugin.sources import find_sources


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    before = dict(linecache.cache)
    yield
    linecache.cache.clear()
    linecache.cache.update(before)


def error_in(filename: str, text: str) -> BaseException:
    """Return an error raised by this text, compiled as if it lay in that file."""
    code: CodeType = compile(text, filename, "exec")
    try:
        exec(code, {})
    except ValueError as error:
        return error
    raise AssertionError("the text must raise a ValueError")


def test_local_code_is_found_where_the_test_is(tmp_path: Path) -> None:
    text = "x = 1\nraise ValueError(x)\n"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "app.py").write_text(text)
    name = "<ta-123>:/root/package/app.py"
    find_sources(error_in(name, text), [tmp_path])
    assert linecache.getline(name, 2) == "raise ValueError(x)\n"
    linecache.checkcache(name)
    assert linecache.getline(name, 2) == "raise ValueError(x)\n"


def test_code_elsewhere_has_the_same_path_here(tmp_path: Path) -> None:
    (tmp_path / "library.py").write_text("raise ValueError\n")
    name = f"<ta-123>:{tmp_path}/library.py"
    find_sources(error_in(name, "raise ValueError\n"), [])
    assert linecache.getline(name, 1) == "raise ValueError\n"


def test_causes_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("raise ValueError\n")
    outer = KeyError()
    outer.__cause__ = error_in("<ta-1>:/root/app.py", "raise ValueError\n")
    outer.__cause__.__context__ = outer  # a circle, as `raise` in a handler can make one
    find_sources(outer, [tmp_path])
    assert linecache.getline("<ta-1>:/root/app.py", 1) == "raise ValueError\n"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\n\n\n", b"one line\n"])
def test_what_cannot_be_the_source_is_left_out(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "app.py").write_bytes(content)
    name = "<ta-1>:/root/app.py"
    find_sources(error_in(name, "\n\nraise ValueError\n"), [tmp_path])
    assert name not in linecache.cache


def test_ordinary_frames_are_left_alone(tmp_path: Path) -> None:
    before = set(linecache.cache)
    find_sources(error_in("/root/app.py", "raise ValueError\n"), [tmp_path])
    assert set(linecache.cache) == before
