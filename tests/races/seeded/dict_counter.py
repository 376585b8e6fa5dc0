"""
A counter in a Dict, which is read and then written.

Two visits that read the same number write the same number. Right, as a Dict cannot count: a key
of its own for each visit, named by the call, so that a call that is tried again counts once.
"""

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin, at_once

visits = modal.Dict.from_name("visits", create_if_missing=True)
broken = modal.App("visits-broken")
fixed = modal.App("visits-fixed")


@broken.function()
def visit() -> None:
    visits["count"] = visits.get("count", 0) + 1


@broken.function()
def count() -> int:
    return visits.get("count", 0)


@fixed.function()
def note_visit() -> None:
    visits[modal.current_function_call_id()] = True


@fixed.function()
def count_notes() -> int:
    return visits.len()


def two_visits(visiting: modal.Function, counting: modal.Function) -> Program:
    def program(_: Running) -> None:
        at_once([visiting], [visiting])
        assert counting.remote() == 2

    return program


BUG = Bug(Twin(broken, two_visits(visit, count)), Twin(fixed, two_visits(note_visit, count_notes)))
