"""What the emulator reads of the installed SDK without importing it."""

import ast
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["MODULES", "newest_builder", "newest_builder_version"]

MODULES = ("modal.",)
"""How the names of its modules begin."""

RELEASE = re.compile(r"^\d{4}\.\d{2}$")
# The SDK's own table of image builders and the Pythons that each supports ([sdk] image.py, in
# later releases _image.py). It refuses an app whose Python the server's builder does not know.
TABLE = re.compile(r"^SUPPORTED_PYTHON_SERIES\b[^=]*=\s*(\{.*?^\})", re.MULTILINE | re.DOTALL)


@cache
def newest_builder_version() -> str:
    """Return the newest image builder of the installed SDK that supports this Python."""
    spec = find_spec("modal")
    if spec is None or spec.origin is None:
        return ""
    for name in ("_image.py", "image.py"):
        path = Path(spec.origin).with_name(name)
        table = TABLE.search(path.read_text("utf-8")) if path.is_file() else None
        if table is not None:
            series = f"{sys.version_info.major}.{sys.version_info.minor}"
            return newest_builder(ast.literal_eval(table[1]), series)
    return ""


def newest_builder(table: Mapping[str, Sequence[str]], series: str) -> str:
    """Return the newest release in the table that supports the Python series, or the newest."""
    releases = [name for name in table if RELEASE.match(name)]
    fitting = [name for name in releases if series in table[name]]
    return max(fitting or releases, default="")
