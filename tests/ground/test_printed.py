"""A printed page: written, found stale, and asked for wrongly."""

from pathlib import Path

import pytest

from modal_emulator.ground.printed import keep_page


def test_a_stale_page_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "reference" / "things.md"
    assert keep_page(page, "# Things\n", "things", ["--check"]) == 1
    assert capsys.readouterr().err == f"{page} is stale: run `python -m things`\n"
    assert keep_page(page, "# Things\n", "things", []) == 0
    assert keep_page(page, "# Things\n", "things", ["--check"]) == 0
    assert keep_page(page, "# Other things\n", "things", ["--check"]) == 1
    assert page.read_text() == "# Things\n"


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keep_page(tmp_path / "page.md", "", "things", ["--chekc"]) == 2
    assert "usage: python -m things [--check]" in capsys.readouterr().err
