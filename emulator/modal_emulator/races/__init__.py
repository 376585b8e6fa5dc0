"""
Programs of concurrent calls, run again and again, each time in another order of their steps.

`exploring` says which orders are tried, `schedule` runs one, `held` keeps every step back until it
is chosen, `touching` says what it touches, `programs` runs the test's own side on a thread.
"""

from modal_emulator.races.calling import explore
from modal_emulator.races.found import Exploration, RaceFound

__all__ = ["Exploration", "RaceFound", "explore"]
