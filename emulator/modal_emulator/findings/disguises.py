"""
How a text looks where somebody has written it down: as it is, encoded, or encoded twice.

Encodings that depend on what stands around the text (base64) are given in each form that they can
take. Of two encodings over each other these are known: JSON in JSON, JSON or base64 in base64, and
base64 in a URL; and all that change nothing because the text needs no escapes. What is not seen:
others, base64 in lines of 76, and whatever compresses or encrypts.
"""

import base64
import html
import json
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

__all__ = ["disguises"]

# What the common encoders leave as it is: Python's quote, encodeURIComponent, form encoding.
_SAFE = ("/", "", "!'()*", "/:@!$&'()*+,;=")
_HALF_KNOWN = (0, 2, 3)
"""Characters of base64 that hold bits of what stands before, by how many bytes do."""
_SHORTEST = 6
"""Shorter forms would be found by chance."""


def disguises(text: str) -> dict[bytes, str]:
    """Return each form as bytes, with the name of its encoding; the text itself has none."""
    found: dict[bytes, str] = {}
    for form, name in _forms(text):
        if name == "" or len(form) >= _SHORTEST:
            found.setdefault(form, name)
    return found


def _forms(text: str) -> Iterator[tuple[bytes, str]]:
    raw = text.encode(errors="surrogateescape")
    yield raw, ""
    yield from ((form, "JSON") for form in _json(text))
    yield from ((form.encode(errors="surrogateescape"), "repr") for form in _reprs(text, raw))
    yield from ((form.encode(errors="surrogateescape"), "shell quoting") for form in _shell(text))
    yield from ((form.encode(), "percent encoding") for form in _percent(raw))
    for quotes in (True, False):
        escaped = html.escape(text, quote=quotes)
        for form in (escaped, escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")):
            yield form.encode(errors="surrogateescape"), "HTML"
    yield from ((form, "base64") for form in _base64(raw))
    yield from _twice(text, raw)
    yield raw.hex().encode(), "hex"
    yield raw.hex().upper().encode(), "hex"


def _twice(text: str, raw: bytes) -> Iterator[tuple[bytes, str]]:
    for inner in _base64(raw):
        quoted = quote(inner, safe="")
        yield from ((url.encode(), "base64 in a URL") for url in (quoted, _lower(quoted)))
        yield from ((outer, "base64 of base64") for outer in _base64(inner))
    for escaped in dict.fromkeys(_json(text)):
        yield from ((outer, "base64 of JSON") for outer in _base64(escaped))


def _json(text: str) -> Iterator[bytes]:
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        for form in (escaped, escaped.replace("/", "\\/")):
            yield form.encode(errors="surrogateescape")
            # A text of JSON in a text of JSON, as logs of structured records have it.
            yield json.dumps(form)[1:-1].encode(errors="surrogateescape")


def _reprs(text: str, raw: bytes) -> Iterator[str]:
    for form in (repr(text)[1:-1], repr(raw)[2:-1], ascii(text)[1:-1]):
        yield form
        yield form.replace("'", "\\'")  # which of the quotes is escaped depends on the whole


def _shell(text: str) -> Iterator[str]:
    yield shlex.quote(text).strip("'") if "'" not in text else text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield "".join(
        c if c.isalnum() or c in "_-./:=@%+," or not c.isascii() else "\\" + c for c in text
    )


def _percent(raw: bytes) -> Iterator[str]:
    for safe in _SAFE:
        for form in (quote(raw, safe=safe), quote_plus(raw, safe=safe)):
            yield form
            yield _lower(form)


def _lower(quoted: str) -> str:
    """Write percent encoding with small letters, as some do."""
    first, *rest = quoted.split("%")
    return "%".join([first, *(piece[:2].lower() + piece[2:] for piece in rest)])


def _base64(raw: bytes) -> Iterator[bytes]:
    for before, skipped in enumerate(_HALF_KNOWN):
        whole = base64.b64encode(b"\0" * before + raw)
        # The last character may hold bits of what follows.
        known = whole[skipped : (before + len(raw)) * 8 // 6]
        yield known
        yield known.translate(bytes.maketrans(b"+/", b"-_"))
