from pathlib import Path

import pytest

import cron_table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cron.md"


def test_the_page_on_crons_is_up_to_date():
    assert cron_table.main(["--check", str(PAGE)]) == 0


def test_a_stale_page_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    stale = tmp_path / "cron.md"
    stale.write_text(PAGE.read_text().replace("03:30", "03:31", 1))
    assert cron_table.main(["--check", str(stale)]) == 1
    assert "is stale" in capsys.readouterr().err


def test_the_policies_differ_where_clocks_change_only():
    lines = [line.split(" | ")[1:5] for line in PAGE.read_text().splitlines() if ": `" in line]
    changes, calm = lines[:11], lines[11]
    assert len(set(calm)) == 1
    # Stars go by elapsed time, and an hour later something is due anyhow; all others differ.
    assert [len(set(line)) > 1 for line in changes].count(False) == 3
