"""
Where the clauses meet the emulator: the one file that knows both sides.

Elsewhere the target `emulator` is found by its entry point; here its background commits come more
often, so that no clause can lean on their absence.
"""

from functools import partial

from modal_contracts.target import OpenTarget
from modal_emulator.pytest_plugin.target import open_target

pytest_plugins = ["modal_contracts.plugin"]

BACKGROUND_COMMIT_SECONDS = 1.0


def pytest_modal_contracts_target(name: str) -> OpenTarget | None:
    """Open the emulator of this checkout."""
    return partial(open_target, BACKGROUND_COMMIT_SECONDS) if name == "emulator" else None
