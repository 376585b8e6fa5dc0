"""
What a function asks of the web, and the rules by which Modal names its address.

The rules are those of Modal's page on URLs (modal-semantics 6 [doc]); where it says nothing, the
line says that it is a guess. Who has which address is kept in `web_addresses`.
"""

import hashlib
import re
from dataclasses import dataclass

from modal_emulator.ground.errors import Invalid

__all__ = ["Subdomain", "WebEndpoint", "default_label", "label_of", "subdomain_of"]

LONGEST = 63  # of a name between two dots in DNS
KEPT, DIGITS = 56, 6
DEV = "dev"

_LABEL = re.compile("[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class WebEndpoint:
    """One web endpoint: a function, or a method of a class."""

    method: str = ""
    """Of a class; empty for a function."""
    name: str = ""
    """What the default label is made of, such as `f` or `Cls.method`."""
    label: str = ""
    """What the user wishes; empty for the default one."""
    dev_suffix: str = ""
    """What takes the place of `dev` while the app is ephemeral."""
    proxy_auth: bool = False


@dataclass(frozen=True, slots=True)
class Subdomain:
    """The first part of the host name."""

    name: str
    truncated: bool = False


def default_label(app: str, function: str) -> str:
    """Return the label of a function without one of its own."""
    # That dashes at the ends go is a guess; with them the name would be none in DNS.
    return re.sub("[^a-z0-9-]", "-", f"{app}-{function}".lower()).strip("-")


def label_of(endpoint: WebEndpoint, app: str, *, ephemeral: bool) -> str:
    """
    Return the label that an endpoint gets.

    Raises:
        Invalid: the user's own is no part of a host name; Modal's words are not known.
    """
    label = endpoint.label or default_label(app, endpoint.name)
    if not _LABEL.fullmatch(label):
        raise Invalid(
            f"Invalid label '{label}' for web function '{endpoint.name}': it may contain only "
            "lowercase letters, digits and dashes, and neither start nor end with a dash."
        )
    return f"{label}-{endpoint.dev_suffix.lower() or DEV}" if ephemeral else label


def subdomain_of(workspace: str, environment_suffix: str, label: str) -> Subdomain:
    """Return the host name's first part; what is too long for DNS is cut and told by a digest."""
    whose = f"{workspace}-{environment_suffix}" if environment_suffix else workspace
    name = f"{whose}--{label}"
    if len(name) <= LONGEST:
        return Subdomain(name)
    digest = hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
    return Subdomain(f"{name[:KEPT]}-{digest}", truncated=True)
