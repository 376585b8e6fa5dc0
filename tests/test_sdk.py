"""What is read of the installed SDK."""

import sys

from modal_emulator.sdk import newest_builder, newest_builder_version

TABLE = {
    "PREVIEW": ["3.11", "3.12"],
    "2026.10": ["3.11", "3.12"],
    "2025.06": ["3.10", "3.11"],
    "2023.12": ["3.10"],
}


def test_newest_that_knows_the_python() -> None:
    assert newest_builder(TABLE, "3.12") == "2026.10"
    assert newest_builder(TABLE, "3.10") == "2025.06"


def test_python_that_none_knows_gets_the_newest() -> None:
    assert newest_builder(TABLE, "3.99") == "2026.10"
    assert newest_builder({}, "3.11") == ""


def test_table_of_the_installed_sdk_is_found() -> None:
    """The answer is the one that the SDK itself accepts for this Python."""
    try:
        from modal._image import SUPPORTED_PYTHON_SERIES
    except ImportError:
        from modal.image import SUPPORTED_PYTHON_SERIES

    version = newest_builder_version()
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in SUPPORTED_PYTHON_SERIES[version]
    assert version != "PREVIEW"
