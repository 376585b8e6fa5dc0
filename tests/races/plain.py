"""
The peer: a program run again and again with nothing held, as a patient tester would do it.

Its calls run in containers of threads, which race for real. Background commits are made as often as
a server makes them.
"""

from modal_emulator.emulator import Running
from races.case import Bug, Twin

__all__ = ["fails", "runs_until_found"]


def fails(running: Running, bug: Bug, twin: Twin) -> AssertionError | Exception | None:
    """Run one of the two once, in a fresh World; return what went wrong."""
    running.reset(running.settings)
    if bug.setup is not None:
        bug.setup(running)
    try:
        with twin.app.run():
            twin.program(running)
        running.settle()
        if bug.invariant is not None:
            bug.invariant(running)
    except Exception as error:
        return error
    return None


def runs_until_found(running: Running, bug: Bug, most: int) -> int:
    """Return how many runs it took until the broken one failed; 0 if none of them did."""
    for number in range(1, most + 1):
        if fails(running, bug, bug.broken) is not None:
            return number
    return 0
