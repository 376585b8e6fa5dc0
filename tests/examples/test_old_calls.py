"""What the guide says of calls that the SDK does not have is what happens when they are made."""

import re
import warnings
from pathlib import Path

import modal
import pytest
from packaging.version import Version

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "calls-that-do-not-exist.md"
ROW = re.compile(r"^\| (`+)(?P<call>.+?)\1 \| (?P<warns>a warning: )?(`+)(?P<says>.+?)\4 \|", re.M)
ROWS = [(row["call"], bool(row["warns"]), row["says"]) for row in ROW.finditer(PAGE.read_text())]

FAILURES = (
    AttributeError,
    TypeError,
    modal.exception.Error,
    modal.exception.DeprecationError,  # no Error of theirs, but a Warning
)

pytestmark = pytest.mark.skipif(
    Version(modal.__version__) < Version("1.6.4"), reason="the page quotes the SDK 1.6.4"
)


def decorated() -> None:
    """Stand for a user's function."""


def make(call: str) -> None:
    """Make the call; what begins with @ decorates a function."""
    names = {"__name__": __name__, "modal": modal, "app": modal.App("old"), "it": decorated}
    code = f"({call[1:]})(it)" if call.startswith("@") else call
    eval(code, names)


def test_every_row_is_read() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| [`]", line)]
    assert len(ROWS) == len(rows) > 30


@pytest.mark.parametrize(
    ("call", "says"), [(call, says) for call, warns, says in ROWS if not warns]
)
def test_fails_as_the_page_says(call: str, says: str) -> None:
    with pytest.raises(FAILURES) as raised:
        make(call)
    assert f"{type(raised.value).__name__}: {raised.value}" == says


@pytest.mark.parametrize(("call", "says"), [(call, says) for call, warns, says in ROWS if warns])
def test_warns_as_the_page_says(call: str, says: str) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        make(call)
    assert [str(warning.message).partition(": ")[2] for warning in seen] == [says.strip()]
