"""The `modal` command as clauses run it."""

from pathlib import Path

import modal
import pytest

from modal_contracts.shell import Shell


@pytest.mark.slow
def test_commands_are_run_one_after_the_other(tmp_path: Path) -> None:
    with Shell() as shell:
        done = shell.run(("--version",), None)
        assert done.code == 0
        assert modal.__version__ in done.lines[0]
        wrong = shell.run(("volume", "nonsense"), tmp_path)
        assert wrong.code == 2
        assert "nonsense" in wrong.error
        assert wrong.printed == b""
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_started_before_it_is_needed() -> None:
    with Shell() as shell:
        assert shell._process is None
