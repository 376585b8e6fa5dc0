"""Faults on demand: what breaks in production now and then, broken when somebody plans it."""

from modal_emulator.schedule.faults.planned import Dropped, Planned
from modal_emulator.schedule.faults.plans import (
    Corrupt,
    Delay,
    DiskFull,
    Drop,
    Effect,
    Fail,
    Kill,
    Occasion,
    Plan,
    Preempt,
    RegionDown,
    Site,
    Skew,
    Truncate,
    Unavailable,
    Where,
)
from modal_emulator.schedule.faults.standing import Faults
from modal_emulator.schedule.faults.struck import Struck

__all__ = [
    "Corrupt",
    "Delay",
    "DiskFull",
    "Drop",
    "Dropped",
    "Effect",
    "Fail",
    "Faults",
    "Kill",
    "Occasion",
    "Plan",
    "Planned",
    "Preempt",
    "RegionDown",
    "Site",
    "Skew",
    "Struck",
    "Truncate",
    "Unavailable",
    "Where",
]
