"""
Where the clauses meet the emulator: the one file that knows both sides.

Elsewhere the target `emulator` is found by its entry point; here its background commits come more
often, so that no clause can lean on their absence.
"""

from functools import partial
from typing import Any

from modal_contracts.target import OpenTarget
from modal_emulator.pytest_plugin.target import open_target

pytest_plugins = ["modal_contracts.plugin"]

OFTEN = {"background_commit_seconds": 1.0}
TARGETS: dict[str, dict[str, Any]] = {
    "emulator": OFTEN,
    "emulator-inline": OFTEN | {"runtime": "inline"},
    "emulator-portable": OFTEN | {"runtime": "inline", "isolation": "plain"},
    "emulator-process": OFTEN | {"runtime": "process"},
}


def pytest_modal_contracts_target(name: str) -> OpenTarget | None:
    """Open the emulator of this checkout."""
    return partial(open_target, TARGETS[name]) if name in TARGETS else None
