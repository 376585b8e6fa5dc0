"""What a project may tell the plugin: where targets come from."""

import pytest

from modal_contracts.target import OpenTarget

__all__ = ["pytest_modal_contracts_target"]


@pytest.hookspec(firstresult=True)
def pytest_modal_contracts_target(name: str) -> OpenTarget | None:
    """
    Return how to open the target of this name, or None to leave it to others.

    A conftest of the project that runs the clauses may implement this. Packages that offer a
    target to everybody name the same callable in the entry point group `modal_contracts.targets`.
    """
