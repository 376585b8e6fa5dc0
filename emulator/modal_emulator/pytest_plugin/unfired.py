"""
Which schedules were deployed in a test session and never fired: nobody has seen them work.

A run by hand does not count: whether the schedule itself is right, it does not say.
"""

import json
from collections.abc import Iterable, Iterator

from modal_emulator.schedule.firings import Cause
from modal_emulator.world import World

__all__ = ["noted", "told"]


def noted(world: World) -> str:
    """Return the schedules of a test's World, and whether each fired, as text for `told`."""
    journal = world.journal
    deployed = {
        (event.values["app"], event.values["function"], event.values["schedule"])
        for event in journal.events("schedule.deployed")
    }
    fired = {
        (event.values["app"], event.values["function"])
        for event in journal.events("schedule.fired")
        if event.values["cause"] != Cause.BY_HAND.value
    }
    return json.dumps([[*key, key[:2] in fired] for key in sorted(deployed, key=str)])


def told(notes: Iterable[str]) -> Iterator[str]:
    """Return lines on the schedules of all tests."""
    tests: dict[tuple[str, str, str], int] = {}
    fired = set()
    for note in notes:
        for app, function, schedule, has_fired in json.loads(note):
            key = (app, function, schedule)
            tests[key] = tests.get(key, 0) + 1
            if has_fired:
                fired.add(key)
    never = sorted(tests.keys() - fired)
    if not tests:
        yield "no test deployed a schedule"
    elif not never:
        yield f"each of the {len(tests)} schedules fired" if len(tests) > 1 else "it fired"
    for app, function, schedule in never:
        count = tests[app, function, schedule]
        times = "1 test" if count == 1 else f"{count} tests"
        yield f"{app}/{function}: {schedule} never fired, and was deployed in {times}"
