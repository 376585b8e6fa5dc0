"""How many containers a function wants: arithmetic on what waits and who is there."""

from collections.abc import Iterable

from modal_emulator.schedule.limits import PoolLimits
from modal_emulator.schedule.worker import Worker
from modal_emulator.store.apps import FunctionSpec

__all__ = ["to_start"]


def to_start(
    spec: FunctionSpec,
    limits: PoolLimits,
    workers: Iterable[Worker],
    waiting: int,
    *,
    keeps_warm: bool,
) -> int:
    """
    Return how many containers to start now; zero or less is none.

    `keeps_warm` says whether `min_containers` alone is a reason to start one.
    """
    there = tuple(workers)
    able = [w for w in there if not w.leaving]
    at_once = max(1, spec.target_inputs or spec.max_inputs_at_once)
    room = sum(max(0, at_once - len(w.inputs)) for w in able)
    if spec.batch_size:
        room = room * spec.batch_size + sum(w.lingering for w in able)
    short = waiting - room
    per = at_once * max(1, spec.batch_size)
    wanted = max(0, -(-short // per)) + (spec.buffer_containers if waiting else 0)
    if keeps_warm:
        wanted = max(wanted, spec.min_containers - len(able))
    most = spec.max_containers or limits.max_containers
    # One that leaves still counts: with max_containers=1 the next begins after the exit commit.
    return min(wanted, most - len(there))
