"""
Tells the mutation run which tests there were and which failed; a plugin of pytest's.

It is loaded into the user's pytest by `PYTEST_ADDOPTS`, writes one JSON file, and changes nothing.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["REPORT", "pytest_runtest_logreport", "pytest_sessionfinish"]

REPORT = "MODAL_EMULATOR_MUTATION_REPORT"
"""The variable that says where to write."""

_tests: dict[str, bool] = {}


def pytest_runtest_logreport(report: Any) -> None:
    """Note how each part of a test went."""
    passed = report.outcome != "failed"
    if report.when == "call" or not passed:
        _tests[report.nodeid] = _tests.get(report.nodeid, True) and passed


def pytest_sessionfinish(session: Any) -> None:
    """Write down what was noted, and which files were imported."""
    if hasattr(session.config, "workerinput") or REPORT not in os.environ:
        return  # a worker of xdist's tells its reports to the one that started it
    files = {getattr(module, "__file__", None) for module in tuple(sys.modules.values())}
    Path(os.environ[REPORT]).write_text(
        json.dumps({"tests": _tests, "files": sorted(filter(None, files))})
    )
