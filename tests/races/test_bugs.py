"""Each seeded bug is found, and its fixed twin passes; `race_table.py` measures how soon."""

import pytest

from modal_emulator.emulator import Running
from races.catalogue import BUGS
from races.search import search

pytestmark = pytest.mark.modal(runtime="inline")
FEW = 10


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_found_and_gone(modal_emulator: Running, name: str) -> None:
    bug = BUGS[name]
    assert search(modal_emulator, bug, bug.broken).found
    fixed = search(modal_emulator, bug, bug.fixed, schedules=FEW)
    assert not fixed.found, fixed.told
