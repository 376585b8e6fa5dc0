"""Each encoder's own output holds one of the forms, whatever stands around the value."""

import base64
import html
import json
import shlex
import subprocess
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modal_emulator.findings.disguises import disguises

values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=6)
surroundings = st.text(st.characters(codec="ascii"), max_size=4)

ENCODERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": json.dumps,
    "json with all letters": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps({"token": text})),
    "repr": repr,
    "repr of a list": lambda text: repr([text]),
    "repr of bytes": lambda text: repr(text.encode()),
    "percent": quote,
    "percent of all": lambda text: quote(text, safe=""),
    "percent of JavaScript": lambda text: quote(text, safe="!'()*"),
    "form": lambda text: urlencode({"token": text}),
    "plus": quote_plus,
    "shell": shlex.quote,
    "html": html.escape,
    "base64 of JSON": lambda text: base64.b64encode(json.dumps({"t": text}).encode()).decode(),
    "base64 of JSON with all letters": lambda text: base64.b64encode(
        json.dumps([text, 1], ensure_ascii=False).encode()
    ).decode(),
    "base64 of base64": lambda text: base64.b64encode(
        json.dumps({"auth": base64.b64encode(f"a:{text}".encode()).decode()}).encode()
    ).decode(),
    "base64 in a URL": lambda text: urlencode({"q": base64.b64encode(text.encode())}),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS)
@settings(max_examples=30)
@given(value=values)
@example(value='it\'s/a "secret"\n+with%all\\ of&it<ü>☃')
def test_what_an_encoder_makes_holds_a_form(encode: Callable[[str], str], value: str) -> None:
    assert any(form in encode(value).encode() for form in disguises(value))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@settings(max_examples=30)
@given(value=values, before=surroundings, after=surroundings)
def test_base64_is_seen_at_each_alignment(
    encode: Callable[[bytes], bytes], value: str, before: str, after: str
) -> None:
    encoded = encode(f"{before}{value}{after}".encode())
    assert any(form in encoded for form, name in disguises(value).items() if name == "base64")


def test_what_bash_prints_quoted_is_seen() -> None:
    value = "a $ecret with 'quotes' & co"
    quoted = subprocess.run(
        ["bash", "-c", 'printf %q "$1"', "-", value], capture_output=True, check=True
    ).stdout
    assert any(form in quoted for form in disguises(value))


def test_each_form_says_what_it_is() -> None:
    names = disguises("a/b+c d'e")
    assert names[b"a/b+c d'e"] == ""
    assert names[b"a%2Fb%2Bc%20d%27e"] == "percent encoding"
    assert names[b"a%2fb%2bc%20d%27e"] == "percent encoding"
    assert names[b"a/b+c d'e".hex().encode()] == "hex"


def test_a_short_value_has_no_form_that_is_found_by_chance() -> None:
    assert all(len(form) >= 6 for form, name in disguises("abc").items() if name)
