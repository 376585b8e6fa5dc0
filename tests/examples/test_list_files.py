"""A listing from inside and one from outside name the same files."""

from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running


def test_inside_and_outside_agree(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    list_files = example("list_files")
    with list_files.app.run():
        inside = list_files.fill.remote()
    reports = {name: len(text) for name, text in list_files.REPORTS.items()}
    assert inside == sorted(
        ["2025/", "2026/", *(f"{name}  {size} bytes" for name, size in reports.items())]
    )
    outside = {
        entry.path: entry.size
        for entry in list_files.volume.iterdir("/", recursive=True)
        if entry.type.name == "FILE"
    }
    assert outside == reports


@pytest.mark.slow
def test_modal_run(modal_run: Callable[..., str]) -> None:
    printed = modal_run("list_files").splitlines()
    assert "  2026/q1.csv  24 bytes" in printed
    assert "  2026/q1.csv  file  24 bytes" in printed
    assert any(line.startswith("  2026  directory") for line in printed)
    assert "from outside, one directory: 2026/q1.csv" in printed
    assert "from outside, one file: reports by year" in printed
