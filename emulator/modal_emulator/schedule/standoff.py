"""
Who waits for whom, when everything is at rest: as a question, and in words.

It looks at roles, at the steps that containers are in the middle of, and at calls, and changes
nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.steps import Kind, Step
from modal_emulator.schedule.calls import Calls, Input, State
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.roles import Role, show_step
from modal_emulator.schedule.worker import Worker
from modal_emulator.store.apps import Apps

__all__ = ["Doing", "Scene"]

WAITS_FOR_OTHERS = frozenset({Kind.RESULT, Kind.QUEUE_GET, Kind.QUEUE_READ, Kind.QUEUE_PUT})
"""Steps that last until somebody else has done something."""

Doing = Mapping[str, Mapping[Step, "Role | None"]]
"""By container: the steps that it has begun and not ended, and whose they are."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A moment of a World on stage."""

    dispatcher: Dispatcher
    calls: Calls
    apps: Apps
    called: Callable[[str], str]
    roles: list[Role]
    doing: Doing

    @property
    def goes_on(self) -> bool:
        """Say whether something will still happen by itself, because the clock goes on."""
        if any(map(self._sleeps, self.dispatcher.workers())):
            return True
        inputs = [role.input for role in self.roles if role.input is not None]
        for steps in self.doing.values():
            inputs += [i for step in steps for i in self._awaited(step)]
        return any(each.state is State.WAITING for each in inputs)

    def stuck(self, role: Role, aim: str) -> str:
        """Say that a role cannot come where it should, and who waits for whom."""
        why = "everything is at rest, and nothing more comes by itself"
        if role.is_over:
            why = "its call is over"
        return f"{role.name} never comes to stand {aim}: {why}\n{self._picture()}"

    def late(self, role: Role, aim: str, limit: float, at_work: list[str]) -> str:
        """Say that a role is not where it should be in time, and what goes on."""
        why = "nobody has called it" if role.input is None else "; ".join(at_work) or "it sleeps"
        text = f"{role.name} does not stand {aim} after {limit:g} s of the machine: {why}"
        return f"{text}\n{self._picture()}"

    def _picture(self) -> str:
        rows = [(role.name, self._state(role)) for role in self.roles]
        rows += [
            (name, text) for worker in self.dispatcher.workers() for name, text in self._of(worker)
        ]
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join(f"  {name:<{width}}  {text}" for name, text in rows)

    def _state(self, role: Role) -> str:
        if role.input is None:
            return "is expected; nobody has called it"
        if role.held:
            return "; ".join(f"is held {h.moment.value} {self._show(h.step)}" for h in role.held)
        state = role.input.state
        if state is State.FINISHED:
            outcome = role.input.outcome
            how = "" if outcome is None else f" ({outcome.status.name.lower()})"
            return f"its call is over{how}"
        if state is State.WAITING:
            return "waits until its next attempt is due"
        if state is State.QUEUED:
            return self._queued(role.input)
        steps = [s for each in self.doing.values() for s, whose in each.items() if whose is role]
        return self._waits(steps)

    def _queued(self, one: Input) -> str:
        if one.only:
            return "waits for its container to start"
        there = len(self.dispatcher.pool(one.function_id).workers)
        return f"waits for a container: there {'is 1' if there == 1 else f'are {there}'}, not free"

    def _of(self, worker: Worker) -> Iterator[tuple[str, str]]:
        """Yield what a container does that is nobody's role."""
        mine = {role.input.input_id for role in self.roles if role.input is not None}
        if not worker.inputs - mine:
            return
        doing = self.doing.get(worker.container_id, {})
        steps = [step for step, role in doing.items() if role is None]
        tag = worker.pool.function.tag.removesuffix(".*")
        yield f"{tag} (not staged)", self._waits(steps)

    def _waits(self, steps: list[Step]) -> str:
        if not steps:
            return "runs, or sleeps"
        return "; ".join(f"is in {self._show(step)}{self._for(step)}" for step in steps)

    def _for(self, step: Step) -> str:
        """Say for whom somebody waits who is in this step."""
        if step.kind is Kind.RESULT:
            awaited = self._awaited(step)
            names = [role.name for role in self.roles if role.input in awaited]
            return f", which waits for {' and '.join(names)}" if names else ""
        if step.kind in (Kind.QUEUE_GET, Kind.QUEUE_READ):
            return ", which waits until somebody puts something there"
        return ", which waits until there is room" if step.kind is Kind.QUEUE_PUT else ""

    def _show(self, step: Step) -> str:
        name = self.called(step.object_id)
        if awaited := self._awaited(step):
            name = self.apps.past(awaited[0].function_id).tag
        elif step.kind is Kind.CALL:
            name = self.apps.past(step.object_id).tag
        return show_step(step, name)

    def _awaited(self, step: Step) -> list[Input]:
        if step.kind is not Kind.RESULT:
            return []
        try:
            return self.calls.call(step.object_id).inputs
        except NotFound:
            return []

    def _sleeps(self, worker: Worker) -> bool:
        """Say whether one of its inputs waits for nobody, so that it waits for the clock."""
        steps = self.doing.get(worker.container_id, {})
        held = sum(bool(r.held) and r.container_id == worker.container_id for r in self.roles)
        if any(step.kind not in WAITS_FOR_OTHERS for step in steps):
            return True
        return bool(worker.inputs) and len(steps) + held < len(worker.inputs)
