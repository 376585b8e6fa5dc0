"""
The steps that are held back until somebody chooses them, and who it is that wants to do each.

Actors have the same names in every run of a program: `add#1` is the first container of `add` that
began, `program` is the test's own side. Where one actor wants several steps at once, because it
does several things at a time, they are numbered in the order in which they came.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.schedule.faults.planned import Dropped

__all__ = ["PROGRAM", "UNHELD", "Cast", "Gate", "Held"]

PROGRAM = "program"
"""The actor that is no container: what the test itself does."""

# They say what has been decided already, and nothing that follows at once concerns anybody else.
UNHELD = frozenset({Kind.INPUT, Kind.RESULT, Kind.STOP, Kind.RUN, Kind.BACKGROUND_COMMIT})


class Cast:
    """Names the actors."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {"": PROGRAM}
        self._counts: Counter[str] = Counter()

    def name(self, container_id: str, function: str = "") -> str:
        """Return the actor's name; given to a container when it is asked for first."""
        name = self._names.get(container_id)
        if name is None:
            self._counts[function] += 1
            name = self._names[container_id] = f"{function}#{self._counts[function]}"
        return name

    def container(self, name: str) -> str:
        """Return the id of a container by its name, empty where there is none."""
        return next((c for c, named in self._names.items() if named == name), "")

    def title(self, container_id: str) -> str:
        """Return the name of a container, or its id if it never began."""
        return self._names.get(container_id, container_id)


@dataclass(eq=False)
class Held:
    """A step that somebody wants to do."""

    actor: str
    step: Step
    go: "asyncio.Future[None]" = field(repr=False)


class Gate:
    """Holds every step until it is let go."""

    def __init__(self, cast: Cast, unheld: frozenset[Kind], changed: Callable[[], None]) -> None:
        self._cast = cast
        self._unheld = unheld
        self.holds_files = Kind.READ not in unheld
        self._changed = changed
        self._held: list[Held] = []
        self._losing: list[Step] = []
        self.is_open = True
        """Whether everything passes."""
        self.last: dict[str, Step] = {}
        """What each actor was let do last."""

    @property
    def held(self) -> tuple[Held, ...]:
        """All that is held, by actor; of one actor in the order of arrival."""
        return tuple(sorted(self._held, key=lambda each: each.actor))

    def wants(self, step: Step, moment: Moment) -> bool:
        """Hold what begins, unless everything passes."""
        if step.kind is Kind.START:
            self._cast.name(step.container_id, step.function)
        if moment is Moment.BEFORE:
            self.last[self._cast.name(step.container_id, step.function)] = step
            return not self.is_open and step.kind not in self._unheld
        return any(each is step for each in self._losing)

    async def arrive(self, step: Step, moment: Moment) -> None:
        """Wait to be let go; raises what `let_go` was given, or what loses the reply."""
        if moment is Moment.AFTER:
            self._losing = [each for each in self._losing if each is not step]
            raise Dropped
        actor = self._cast.name(step.container_id, step.function)
        held = Held(actor, step, asyncio.get_running_loop().create_future())
        self._held.append(held)
        self._changed()
        try:
            await held.go
        finally:
            if held in self._held:
                self._held.remove(held)

    def let_go(self, held: Held, error: Exception | None = None, *, loses: bool = False) -> None:
        """Let a step begin, or fail with this error; if it `loses`, what answers it is lost."""
        self._held.remove(held)
        if loses:
            self._losing.append(held.step)
        if held.go.done():
            return
        if error is None:
            held.go.set_result(None)
        else:
            held.go.set_exception(error)

    def forget(self, container_id: str) -> None:
        """A container is gone, and what it wanted to do will not happen."""
        for held in tuple(self._held):
            if held.step.container_id == container_id:
                self.let_go(held, EmulatorError("the container is gone"))

    def open(self) -> None:
        """Let everything go, and hold nothing any more."""
        self.is_open = True
        for held in tuple(self._held):
            self.let_go(held)
