"""
Which values of secrets are looked for, and which would be found everywhere without being secret.

A secret holds settings as well as secrets: hosts, ports, names of databases. Looking for those
would raise an alarm with each line of a log, so the rule here leaves out what is short, common or
public by its form or its name. Users narrow and widen it by names.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import unquote, urlsplit

__all__ = ["LeakRules", "Value", "sought"]

_LEAST = 3
"""Characters; whatever the rules say, less is found in every text."""


@dataclass(frozen=True, slots=True)
class LeakRules:
    """What is looked for beyond, or in spite of, what the values are like."""

    ignore: tuple[str, ...] = ()
    """Keys, or `secret.KEY`, with the wild cards of file names: their values are not looked for."""
    always: tuple[str, ...] = ()
    """The same for values that are looked for, whatever they are like."""
    shortest: int = 6
    """Characters; shorter values are not looked for."""
    mask_logs: bool = False
    """Logs are kept and shown with `***KEY***` in place of what is looked for."""


@dataclass(frozen=True, slots=True)
class Value:
    """One variable of a secret."""

    key: str
    secret: str
    """The secret's name; empty for one that code made of a dict or a dotenv file."""
    text: str = field(repr=False)


def sought(value: Value, rules: LeakRules) -> frozenset[str]:
    """Return the texts that give this value away; none if nobody would mind."""
    if _named(value, rules.ignore):
        return frozenset()
    whole = value.text.strip()
    if _named(value, rules.always):
        return frozenset({whole} if len(whole) >= _LEAST else ())
    parts = {part for part in _parts(whole) if not _is_harmless(part, "", rules.shortest)}
    if _is_harmless(whole, value.key, rules.shortest) or not _is_meant(value, bool(parts)):
        return frozenset(parts)
    return frozenset({whole, *parts})


def _named(value: Value, patterns: tuple[str, ...]) -> bool:
    names = (value.key, f"{value.secret}.{value.key}")
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


# ---------------------------------------------------------------- what is public by its form

_COMMON = frozenset(
    "account anonymous backend changeme client container database dataset default "
    "development disable disabled enable enabled endpoint environment example external "
    "function integration internal localhost mongodb nothing optional password placeholder "
    "platform postgres postgresql private process production project provider public python "
    "redacted release remote replace replaceme required resource sandbox secret secrets "
    "server service session sqlite staging standard storage string system testing unknown "
    "unlimited unused username verbose volume warning worker workspace".split()
)
_NUMBER = re.compile(r"[-+]?[\d.,:_/ TZ-]{1,15}|[-+]?\d*\.\d+(e[-+]?\d+)?", re.IGNORECASE)
_HOST = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.[a-z]{2,24}"
_ADDRESS = re.compile(rf"({_HOST}|localhost|\d+\.\d+\.\d+\.\d+)(:\d+)?")
_MAIL = re.compile(rf"[\w.+-]+@({_HOST}|localhost)", re.IGNORECASE)
_PATH = re.compile(r"(~|\.{1,2})?(/[a-z0-9._-]{0,24})+")
_PUBLIC_NAMES = re.compile(
    r"(^|_|PG)(HOST(NAME)?|PORT|USER(NAME)?|REGION|BUCKET|ENDPOINT|E?MAIL|ENV(IRONMENT)?|MODE"
    r"|LEVEL|NAME|DATABASE|DB|MODEL|TZ|TIMEZONE|LANG|LOCALE|VERSION|ID|FORMAT|PROTOCOL|SSLMODE)$"
)


def _is_harmless(text: str, key: str, shortest: int) -> bool:
    return (
        len(text) < shortest
        or len(set(text)) < 3
        or text.casefold() in _COMMON
        or text.casefold() == key.casefold()
        or _NUMBER.fullmatch(text) is not None
        or _ADDRESS.fullmatch(text) is not None
        or _MAIL.fullmatch(text) is not None
        or _PATH.fullmatch(text) is not None
        or _is_public_url(text)
        or _PUBLIC_NAMES.search(key.upper()) is not None
    )


def _is_public_url(text: str) -> bool:
    """Say whether it only tells where something is, without what lets one in."""
    try:
        url = urlsplit(text)
        password = url.password
    except ValueError:
        return False
    if "://" not in text or not url.netloc or password or url.query or url.fragment:
        return False
    return not url.path or _PATH.fullmatch(url.path) is not None


# ---------------------------------------------------------------- what is secret by its form

_SECRET_NAMES = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|APIKEY|WEBHOOK|BEARER"
    r"|(^|_)(KEY|PASS|PWD|AUTH|DSN|JWT|PAT|SALT|PEPPER|COOKIE|SESSION)(_|$)"
)


def _is_meant(value: Value, has_parts: bool) -> bool:
    """
    Say whether whoever made the secret meant this as one.

    Without a name nobody can tell a secret from settings: `env=` of a function is sent as one too.
    """
    return (
        bool(value.secret)
        or has_parts
        or value.text.startswith("-----BEGIN ")
        or _is_secret_name(value.key)
    )


def _parts(text: str) -> Iterator[str]:
    """Yield what is secret by itself in a URL or an object of JSON."""
    if "://" in text:
        try:
            password = urlsplit(text).password
        except ValueError:
            password = None
        if password:
            yield unquote(password)
    elif text.startswith("{"):
        try:
            members = json.loads(text)
        except ValueError:
            return
        for name, member in members.items():
            if isinstance(member, str) and _is_secret_name(name):
                yield member.strip()


def _is_secret_name(name: str) -> bool:
    return not _PUBLIC_NAMES.search(name.upper()) and bool(_SECRET_NAMES.search(name.upper()))
