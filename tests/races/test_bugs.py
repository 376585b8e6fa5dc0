"""
Each seeded bug is found, and its fixed twin passes; `race_table.py` measures how soon.

The examples among them are run as their readers run them, by `examples/test_races.py`; of these,
one is here that has all that an example can have.
"""

import pytest

from modal_emulator.emulator import Running
from races.catalogue import BUGS, EXAMPLES
from races.search import search

FEW = 8
MARKED = [
    pytest.param(name, marks=pytest.mark.modal(runtime=bug.runtime))
    for name, bug in BUGS.items()
    if name == "two_pollers" or not (EXAMPLES / name).is_dir()
]


@pytest.mark.slow
@pytest.mark.parametrize("name", MARKED)
def test_found_and_gone(modal_emulator: Running, name: str) -> None:
    bug = BUGS[name]
    assert search(modal_emulator, bug, bug.broken, seed=1).found
    fixed = search(modal_emulator, bug, bug.fixed, seed=1, schedules=FEW)
    assert not fixed.found, fixed.told
