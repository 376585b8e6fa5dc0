"""The app of all clauses about web functions."""

from collections.abc import Iterator

import pytest

from modal_contracts.opening import Opened
from modal_contracts.web.shared import Web, open_web

__all__ = ["web"]


@pytest.fixture(scope="module")
def web(modal_target: Opened) -> Iterator[Web]:
    """The app, running for the clauses of one room: other rooms may have the target begin anew."""
    assert modal_target.environment  # where everything is made
    with open_web() as opened:
        yield opened
