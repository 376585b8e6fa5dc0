"""
What a volume holds, in the words of a test: a mapping from paths to texts and bytes.

`read_tree` says what is there in these words, `members` turns them into what can be added to a
volume, and `mismatches` compares what a test expects with what is there. It works on editions
and knows neither threads nor the World.
"""

import difflib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from types import EllipsisType
from typing import IO

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.editions import Edition
from modal_emulator.store.paths import Parts, parse, show
from modal_emulator.store.tars import Member
from modal_emulator.store.tree import Entry, Kind

__all__ = [
    "Content",
    "Expected",
    "Link",
    "Mismatch",
    "explain",
    "members",
    "mismatches",
    "read_tree",
]

_MOST_LINES = 30


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


Content = str | bytes | Link | Kind | None
"""A file's text, or its bytes if they are none; a link; what is none of these; None is a directory,
whose path ends with a slash."""

Expected = Content | EllipsisType
"""`...` is whatever is there."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A path that is not as expected: missing, unexpected or different, and in what."""

    kind: str
    path: str
    detail: tuple[str, ...] = ()


# -------------------------------------------------------------------- what is there


def read_tree(edition: Edition) -> dict[str, Content]:
    """Return all there is but directories that hold something."""
    return {path: _content(edition, parts, entry) for path, parts, entry in _leaves(edition)}


def _leaves(edition: Edition) -> Iterator[tuple[str, Parts, Entry]]:
    """Go through what `read_tree` names."""
    for parts, entry in edition.tree.walk():
        if not entry.is_directory:
            yield show(parts), parts, entry
        elif not edition.tree.size(parts):
            yield show(parts) + "/", parts, entry


def _content(edition: Edition, parts: Parts, entry: Entry) -> Content:
    if entry.kind is Kind.FILE:
        path = edition.find(parts)
        assert path is not None  # its layers are held as long as the edition is open
        return _readable(path.read_bytes())
    if entry.kind is Kind.SYMLINK:
        return Link(entry.target)
    return None if entry.is_directory else entry.kind


def _readable(data: bytes) -> str | bytes:
    try:
        return data if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return data


# -------------------------------------------------------------------- what is to be written


def members(files: Mapping[str, Content], mtime_ns: int) -> list[Member]:
    """
    Return what is to be added to a volume to hold these, all with this time.

    Raises:
        Invalid: a path cannot be one, or something has no place in a volume.
        TypeError: something is neither text nor bytes, a link or None.
    """
    return [_member(path, content, mtime_ns) for path, content in files.items()]


def _member(path: str, content: Content, mtime_ns: int) -> Member:
    parts = parse(path)
    if content is None:
        return Member(parts, Entry(Kind.DIRECTORY, 0, mtime_ns, 0o755))
    if not parts or path.endswith("/"):
        raise Invalid(f"'{path}' is a directory's path; write None to it")
    if isinstance(content, Link):
        size = len(content.target.encode())
        return Member(parts, Entry(Kind.SYMLINK, size, mtime_ns, 0o777, content.target))
    if isinstance(content, Kind):
        raise Invalid(f"'{path}': {content} cannot be written")
    if not isinstance(content, str | bytes | bytearray | memoryview):
        raise TypeError(f"'{path}' can hold str or bytes, not {type(content).__name__}")
    data = content.encode() if isinstance(content, str) else bytes(content)
    return Member(parts, Entry(Kind.FILE, len(data), mtime_ns, 0o644), _opener(data))


def _opener(data: bytes) -> Callable[[], IO[bytes]]:
    return lambda: BytesIO(data)


# -------------------------------------------------------------------- what is expected


def mismatches(
    edition: Edition, expected: Mapping[str, Expected], *, exact: bool
) -> tuple[Mismatch, ...]:
    """Return what is not as expected, in order of paths; if not `exact`, more may be there."""
    wanted = {_tidy(path, content): content for path, content in expected.items()}
    found = {path: (parts, entry) for path, parts, entry in _leaves(edition)}
    wrong = []
    for path, content in wanted.items():
        if path in found:
            detail = _difference(edition, *found[path], content)
            if detail:
                wrong.append(Mismatch("different", path, detail))
        elif not (content in (None, ...) and _is_directory(edition, path)):
            wrong.append(Mismatch("missing", path))
    if exact:
        wrong += [
            Mismatch("unexpected", path, (_measure(entry),))
            for path, (_, entry) in found.items()
            if path not in wanted
        ]
    return tuple(sorted(wrong, key=lambda one: one.path))


def _tidy(path: str, content: Expected) -> str:
    return show(parse(path)) + ("/" if content is None or path.endswith("/") else "")


def _is_directory(edition: Edition, path: str) -> bool:
    entry = edition.tree.get(parse(path))
    return entry is not None and entry.is_directory


def _difference(edition: Edition, parts: Parts, entry: Entry, wanted: Expected) -> tuple[str, ...]:
    if wanted is ...:
        return ()
    found = _content(edition, parts, entry)
    if isinstance(wanted, bytes | bytearray | memoryview):
        wanted = _readable(bytes(wanted))
    if isinstance(wanted, str) and "\0" in wanted:
        wanted = wanted.encode()
    if found == wanted:
        return ()
    if isinstance(found, str) and isinstance(wanted, str):
        return _text_difference(wanted, found)
    return (f"expected: {_tell(wanted)}", f"found:    {_tell(found)}")


def _text_difference(wanted: str, found: str) -> tuple[str, ...]:
    lines = []
    for line in difflib.unified_diff(
        wanted.splitlines(keepends=True), found.splitlines(keepends=True), "expected", "found"
    ):
        lines.append(line.removesuffix("\n"))
        if not line.endswith("\n"):
            lines.append("\\ No newline at end of file")
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"... {len(lines) - _MOST_LINES} more lines"]
    return tuple(lines)


def _tell(content: Expected) -> str:
    if isinstance(content, bytes):
        return f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]}"
    if isinstance(content, str):
        return f"text of {len(content.encode())} bytes: {content[:60]!r}"
    if isinstance(content, Link):
        return f"a link to {content.target!r}"
    return "a directory" if content is None else f"a {str(content).lower()}"


def _measure(entry: Entry) -> str:
    if entry.kind is Kind.FILE:
        return f"{entry.size} bytes"
    return f"a link to {entry.target!r}" if entry.kind is Kind.SYMLINK else "an empty directory"


def explain(title: str, wrong: Iterable[Mismatch], maker: Callable[[str], str]) -> str:
    """Say what is not as expected; `maker` says who changed a path last."""
    lines = [f"{title} is not as expected"]
    for one in wrong:
        who = maker(one.path.rstrip("/"))
        heads = [*(one.detail if one.kind == "unexpected" else ()), *((who,) if who else ())]
        lines.append(f"  {one.kind}: {one.path}" + (f" ({'; '.join(heads)})" if heads else ""))
        lines += [f"    {line}" for line in one.detail if one.kind == "different"]
    return "\n".join(lines)
