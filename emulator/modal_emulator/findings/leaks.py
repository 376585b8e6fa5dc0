"""
Looks for values of secrets in bytes, all at once, and takes them out of texts.

A `Needles` is made of values and answers with names; no repr of anything here shows a value. What
arrives in pieces is looked through by a `Trail`, which also sees what lies across two of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ahocorasick_rs import BytesAhoCorasick

from modal_emulator.findings.disguises import disguises
from modal_emulator.findings.secrecy import LeakRules, Value, sought

__all__ = ["NONE", "Needles", "Sighting", "Trail"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A value that was found, by its names."""

    key: str
    secret: str
    encoding: str
    """Empty when it stands there as it is."""
    excerpt: str = ""
    """What stands before it in the same line, and a mark in its place."""

    def within(self, packing: str) -> "Sighting":
        """Return it as one in something that is compressed."""
        return replace(self, encoding=" in ".join(filter(None, (self.encoding, packing))))


_Span = tuple[int, int, int]
"""Which form, and where it begins and ends."""

_QUOTED = 100
"""Bytes at most that a sighting quotes."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    key: str
    secret: str
    encoding: str


class Needles:
    """Everything that is looked for."""

    def __init__(self, values: Iterable[Value], rules: LeakRules = LeakRules()) -> None:  # noqa: B008
        forms: dict[bytes, _Meaning] = {}
        for value in values:
            for text in sought(value, rules):
                for form, encoding in disguises(text).items():
                    forms.setdefault(form, _Meaning(value.key, value.secret, encoding))
        self._meanings = tuple(forms.values())
        self._automaton = BytesAhoCorasick(list(forms)) if forms else None
        self.reach = max(map(len, forms), default=1) - 1
        """Bytes of a piece that a value may begin in and end in the next one."""

    def __bool__(self) -> bool:
        """Say whether anything is looked for."""
        return self._automaton is not None

    def __repr__(self) -> str:
        """Say how many."""
        return f"<Needles {len(self._meanings)}>"

    def search(self, data: bytes, known: int = 0) -> list[Sighting]:
        """Return what is found, each value once; the first `known` bytes are not quoted."""
        spans = self._matches(data)
        found: dict[tuple[str, str], Sighting] = {}
        for number, start, _ in spans:
            meaning = self._meanings[number]
            name = (meaning.key, meaning.secret)
            if name not in found:
                excerpt = self._excerpt(data, start, known, spans) + _mark(meaning.key)
                found[name] = Sighting(*name, meaning.encoding, excerpt)
        return list(found.values())

    def mask(self, text: str) -> str:
        """Return the text with the key's name in place of each value."""
        data = text.encode(errors="surrogatepass")
        spans = self._matches(data)
        if not spans:
            return text
        return self._without(data, spans, 0, len(data)).decode(errors="surrogatepass")

    def _excerpt(self, data: bytes, at: int, known: int, spans: list[_Span]) -> str:
        begin = max(known, at - _QUOTED, data.rfind(b"\n", 0, at) + 1)
        quoted = self._without(data, [span for span in spans if span[1] < at], begin, at)
        text = quoted.decode(errors="replace").lstrip("\ufffd")
        return text if text.isprintable() else ""

    def _without(self, data: bytes, spans: list[_Span], at: int, end: int) -> bytes:
        """Return a stretch of the data without values, also such as lie in it in part only."""
        pieces = []
        # The longest of those that begin together says what it is, and all of them go.
        for number, start, stop in sorted(spans, key=lambda span: (span[1], -span[2])):
            if stop > at and start >= at:
                pieces += [data[at:start], _mark(self._meanings[number].key).encode()]
            at = max(at, stop)
        return b"".join([*pieces, data[at:end]])

    def _matches(self, data: bytes) -> list[_Span]:
        if self._automaton is None:
            return []
        return self._automaton.find_matches_as_indexes(data, overlapping=True)


def _mark(key: str) -> str:
    return f"***{key}***"


NONE = Needles(())


class Trail:
    """Something that comes in pieces, perhaps unpacked from a `packing` such as gzip."""

    __slots__ = ("_packing", "_rest")

    def __init__(self, packing: str = "") -> None:
        self._packing = packing
        self._rest = b""

    def follow(self, needles: Needles, piece: bytes) -> Sequence[Sighting]:
        """Return what this piece completes, and what was there a moment ago perhaps once more."""
        before = len(self._rest)
        data = self._rest + piece if before else piece
        self._rest = data[-needles.reach :] if needles.reach else b""
        found = needles.search(data, before)
        return [one.within(self._packing) for one in found] if self._packing else found
