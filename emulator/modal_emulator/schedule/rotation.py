"""
Tells of inputs that are served with values which their secrets no longer hold.

On Modal an update reaches only containers that start afterwards (modal-semantics 2.3 [doc]), so a
warm container goes on with what it has. That is told once for each container and set of keys.
"""

from datetime import datetime, timezone

from modal_emulator.ground.journal import Journal
from modal_emulator.ground.steps import Kind, Step
from modal_emulator.schedule.handed import Drift, Handed
from modal_emulator.schedule.steps import Steps

__all__ = ["Rotation"]


class Rotation:
    """Hears of each input."""

    def __init__(self, handed: Handed, steps: Steps, journal: Journal) -> None:
        self._handed = handed
        self._journal = journal
        self._told: set[tuple[str, tuple[str, ...]]] = set()
        steps.listen(self._hear, Kind.INPUT)

    def _hear(self, step: Step, error: Exception | None) -> None:
        if error is not None:
            return
        drift = self._handed.drift(step.container_id)
        if drift is None or (step.container_id, drift.keys) in self._told:
            return
        self._told.add((step.container_id, drift.keys))
        keys = ", ".join(drift.keys)
        self._journal.add(
            "finding",
            subject="rotation drift",
            title=f"{step.function} serves an input with the former value of {keys}",
            text=_text(step, drift),
            object=", ".join(drift.secrets),
            path="",
            container_id=step.container_id,
        )


def _text(step: Step, drift: Drift) -> str:
    whose = ", ".join(f"'{name}'" for name in drift.secrets) or "without a name"
    since = datetime.fromtimestamp(drift.since, timezone.utc).isoformat(" ", "milliseconds")
    call = f"call {step.call_id}" if step.call_id else "an input"
    return (
        f"secret {whose} was changed at {since}; container {step.container_id}, which started "
        f"before, serves {call}.\n"
        "A container keeps the values with which it started; only those that start afterwards get "
        "the new ones."
    )
