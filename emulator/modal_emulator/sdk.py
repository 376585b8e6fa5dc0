"""What the emulator reads of the installed SDK without importing it."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["newest_builder_version"]

RELEASE = re.compile(r"^\d{4}\.\d{2}$")


@cache
def newest_builder_version() -> str:
    """Return the newest image builder version that the installed SDK ships requirements for."""
    spec = find_spec("modal")
    if spec is None or spec.origin is None:
        return ""
    package = Path(spec.origin).parent
    # The folder was called `requirements` before modal 1.0.3.
    pages = (p for folder in ("builder", "requirements") for p in (package / folder).glob("*.txt"))
    names = {p.stem for p in pages}
    return max((n for n in names if RELEASE.match(n)), default="")
