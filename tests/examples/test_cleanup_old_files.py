"""Files that are older than the horizon go, younger ones stay."""

from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (7, ["logs/today.log"]),
        (30, ["logs/last-week.log", "logs/today.log"]),
        (500, ["logs/last-week.log", "logs/last-year.log", "logs/today.log"]),
    ],
)
def test_removes_by_age(
    modal_emulator: Running, example: Callable[[str], ModuleType], days: float, left: list[str]
) -> None:
    cleanup = example("cleanup_old_files")
    with cleanup.app.run():
        cleanup.write_logs.remote()
        removed = cleanup.remove_older_than.remote(days)
    kept = [entry.path for entry in cleanup.volume.listdir("/logs")]
    assert sorted(kept) == left
    assert sorted([*kept, *removed]) == [
        "logs/last-week.log",
        "logs/last-year.log",
        "logs/today.log",
    ]


@pytest.mark.slow
def test_modal_run(modal_run: Callable[..., str]) -> None:
    lines = modal_run("cleanup_old_files", "--days", "30").splitlines()
    assert "removed: logs/last-year.log" in lines
    assert "after:   logs/last-week.log logs/today.log" in lines
