"""Words that the tests of real programs share: what a container does, and where it does it."""

from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["ONE", "TWO", "Do", "both_versions"]

ONE, TWO = "/one", "/two"
"""Where volumes of version 1 and 2 are mounted."""

Do = Callable[..., Any]
"""Does one of the jobs in a container, given its name and arguments."""

both_versions = pytest.mark.parametrize("top", [ONE, TWO], ids=["v1", "v2"])
