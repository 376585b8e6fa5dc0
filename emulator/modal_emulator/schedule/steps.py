"""
The one place that every step of a World passes: where it can be held, made to fail, or noted.

Whoever wants to have a say is a `Gate`. A step that no gate wants goes through at once; one that
is held is at rest, so that a clock can go on and everything else can come to rest around it.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from modal_emulator.ground.journal import Journal, Value
from modal_emulator.ground.steps import KEEPING, Kind, Moment, Step
from modal_emulator.schedule.settling import Settling

__all__ = ["Gate", "Steps"]

T = TypeVar("T")

Listener = Callable[[Step, "Exception | None"], None]


class Gate(Protocol):
    """Has a say in when a step happens."""

    def wants(self, step: Step, moment: Moment) -> bool:
        """Say whether `arrive` is to be asked; called on the event loop, and quick."""
        ...

    async def arrive(self, step: Step, moment: Moment) -> None:
        """
        Return when the step may begin, or go on after it is done.

        Whoever does the step counts as resting until then. What is raised here makes the step
        fail: before it, nothing is done; an EmulatorError is told to the SDK as any other.
        """
        ...


class Steps:
    """Lets steps pass, one gate after the other."""

    def __init__(self, settling: Settling, journal: Journal) -> None:
        self._settling = settling
        self._journal = journal
        self._gates: tuple[Gate, ...] = ()
        self._on_change: list[Callable[[], None]] = []
        self._listeners: dict[Kind, list[Listener]] = {kind: [] for kind in Kind}
        self._drain: Callable[[str], None] = lambda container_id: None
        self._by_hand = 0

    def drain_by(self, drain: Callable[[str], None]) -> None:
        """Call `drain` before each step: what else its container did is then to be noted first."""
        self._drain = drain

    @property
    def gated(self) -> bool:
        """Say whether anybody may hold anything."""
        return bool(self._gates)

    @property
    def holds_files(self) -> bool:
        """Say whether anybody may hold what containers do with files by themselves."""
        return any(getattr(gate, "holds_files", True) for gate in self._gates)

    @property
    def background_is_off(self) -> bool:
        """Say whether background commits happen only when somebody asks for one."""
        return self._by_hand > 0

    @contextmanager
    def without_background(self) -> Iterator[None]:
        """For the length of the block no background commit happens by itself."""
        self._by_hand += 1
        try:
            yield
        finally:
            self._by_hand -= 1

    def add(self, gate: Gate) -> Callable[[], None]:
        """Ask this gate from now on; the answer ends that."""
        self._gates = (*self._gates, gate)
        self._changed()

        def remove() -> None:
            self._gates = tuple(each for each in self._gates if each is not gate)
            self._changed()

        return remove

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a gate comes or goes."""
        self._on_change.append(listener)

    def listen(self, listener: Listener, *kinds: Kind) -> Callable[[], None]:
        """
        Tell `listener` of each step that is over, and how it failed; the answer ends that.

        It hears of these kinds only, if any are given.
        """
        lists = [self._listeners[kind] for kind in kinds or Kind]
        for each in lists:
            each.append(listener)

        def forget() -> None:
            for each in lists:
                each.remove(listener)

        return forget

    async def take(self, step: Step, work: Callable[[], Awaitable[T]]) -> T:
        """
        Do the work of a step, when it may be done.

        One that failed is over as well, and may be held after that; where a gate made it fail,
        it never began.

        Raises:
            Exception: whatever the work or a gate raises.
        """
        self._drain(step.container_id)
        if self._gates:
            await self.arrive(step, Moment.BEFORE)
        try:
            result = await work()
        except Exception as error:
            self.note(step, error)
            if self._gates:
                await self.arrive(step, Moment.AFTER)
            raise
        self.note(step)
        if self._gates:
            await self.arrive(step, Moment.AFTER)
        return result

    async def arrive(self, step: Step, moment: Moment) -> None:
        """Return when every gate that wants this moment lets it pass; raises what a gate does."""
        for gate in self._gates:
            if gate.wants(step, moment):
                with self._settling.waits(step.container_id or None):
                    await gate.arrive(step, moment)

    def note(self, step: Step, error: Exception | None = None) -> None:
        """Write a step that is over into the journal, and tell those who listen."""
        kind = step.kind
        values: dict[str, Value] = {
            "step": kind._value_,  # `value` is a function of Python's
            "container_id": step.container_id,
            "function": step.function,
            "call_id": step.call_id,
            "object_id": step.object_id,
            "path": step.path,
            "to": step.to,
            "version": step.version,
            "where": "\n".join(step.where),
            "keeps": step.arguments == KEEPING,
            "error": "" if error is None else repr(error),
        }
        self._journal.keep("step", values, ("path", "to", "error"))
        if listeners := self._listeners[kind]:
            for listener in tuple(listeners):
                listener(step, error)

    def _changed(self) -> None:
        for listener in self._on_change:
            listener()
