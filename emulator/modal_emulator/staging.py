"""
A test's hand on containers that go from storage step to storage step as it says.

`Running.stage` and the fixture `modal_stage` give a `StageHandle`. Each call that it spawns is an
actor, held at its first step until the test moves it. For any thread but the emulator's own;
who is held where, and who can still come anywhere, is decided in `schedule/staging`.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

import modal

from modal_emulator.ground.errors import Conflict, Invalid
from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.schedule.background import Holder, commit_once
from modal_emulator.schedule.calls import Input
from modal_emulator.schedule.roles import Goal, Role, show_step
from modal_emulator.schedule.staging import Staging
from modal_emulator.schedule.worker import Ending
from modal_emulator.world import World

__all__ = ["ActorHandle", "At", "StageHandle", "opened"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]
T = TypeVar("T")
Object = Any
"""A volume, Dict or Queue of the SDK, or its name or id."""

LIMIT = 60.0
"""The machine's seconds after which something that still goes on is late."""


@dataclass(frozen=True, slots=True)
class At:
    """Where an actor is held."""

    moment: str
    """`before` or `after`."""
    kind: str
    """The name of the step, as `until` takes it."""
    path: str
    to: str
    of: str
    """The name of the volume, Dict, Queue or function; its id where it has none."""
    version: int
    """Of the volume, as the container sees it."""
    where: tuple[str, ...]
    """The lines of user code, the innermost last."""
    _text: str

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"{self.moment} {self._text}"


class ActorHandle:
    """
    One call that a test moves from step to step.

    It is followed through restarts: when its container is preempted, the next one is the actor's.
    """

    def __init__(self, stage: "StageHandle", role: Role, call: Any = None) -> None:
        self._stage = stage
        self._role = role
        self._call = call

    def __repr__(self) -> str:
        return f"<actor {self.name}: {self.at or ('over' if self.is_over else 'not held')}>"

    @property
    def name(self) -> str:
        """Its function and a number, as texts about it say: `add#1`."""
        return self._role.name

    @property
    def at(self) -> At | None:
        """What it is held at, if it is held."""
        return self._stage._ask(lambda world: self._held(world))

    @property
    def is_over(self) -> bool:
        """Say whether its call has its outcome."""
        return self._stage._ask(lambda world: self._role.is_over)

    @property
    def container_id(self) -> str:
        """The container that it runs in, or ran in last; empty before it has one."""
        return self._stage._ask(lambda world: self._role.container_id)

    def until(
        self,
        kind: str,
        path: str | None = None,
        *,
        of: Object = None,
        nth: int = 1,
        timeout: float = LIMIT,
    ) -> "ActorHandle":
        """
        Let it go on to just before the next such step.

        `path` is a pattern as for `fnmatch`, `of` a volume, Dict or Queue or its name, and `nth`
        counts such steps from here. One that was not moved yet stays if it stands there already.
        A step of leaving (`stop`, `exit commit`) makes its idle container leave.

        Raises:
            Conflict: it cannot come there any more; the text says who waits for whom.
            TimeoutError: it has not come there in so many seconds of the machine.
        """
        __tracebackhide__ = True
        return self._reach(Moment.BEFORE, kind, path, of, nth, timeout)

    def after(
        self,
        kind: str,
        path: str | None = None,
        *,
        of: Object = None,
        nth: int = 1,
        timeout: float = LIMIT,
    ) -> "ActorHandle":
        """Let it go on until just after the next such step, also one that failed; see `until`."""
        __tracebackhide__ = True
        return self._reach(Moment.AFTER, kind, path, of, nth, timeout)

    def step(self, timeout: float = LIMIT) -> At | None:
        """Let it go on to just before its next step; None when its call is over."""
        __tracebackhide__ = True
        self._stage._run(self._stage._staging.step(self._role, timeout))
        return self.at

    def finish(self, timeout: float = LIMIT) -> Any:
        """
        Let it go; return what its call returns, or raise what that raises.

        If its container is leaving, it is gone then. What somebody else has called gives nothing.

        Raises:
            Conflict: it waits for one that is held; the text says who waits for whom.
            TimeoutError: it has not ended in so many seconds of the machine.
        """
        __tracebackhide__ = True
        self._stage._run(self._stage._staging.finish(self._role, timeout))
        return None if self._call is None else self._call.get()

    def result(self) -> Any:
        """
        Return what its call returned, or raise what that raised.

        Raises:
            Conflict: it has no outcome yet, or it belongs to somebody else.
        """
        __tracebackhide__ = True
        if self._call is None:
            raise Conflict(f"{self.name} was called by somebody else, who has what came of it")
        if not self.is_over:
            raise Conflict(f"{self.name} is not over: finish() it first")
        return self._call.get()

    def kill(self) -> None:
        """Kill its container without a word."""

        async def kill(_world: World) -> None:
            worker = self._stage._staging.worker(self._role)
            if worker.container is None:
                worker.ending, worker.leaving = worker.ending or Ending.KILLED, True
                self._role.let_go()  # whoever starts it looks at `ending`
                await worker.gone.wait()
            else:
                await worker.pool.kill(worker)

        self._stage._do(kill)

    def preempt(self) -> None:
        """
        Take its container away as Modal does: interrupt, grace, kill; its input begins again.

        The actor is held at the first step of its next container. What is held of it now is not
        done.
        """
        __tracebackhide__ = True
        self._stage._run(self._stage._staging.preempt(self._role, LIMIT))

    def _reach(
        self,
        moment: Moment,
        kind: str,
        path: str | None,
        of: Object,
        nth: int,
        timeout: float,
    ) -> "ActorHandle":
        __tracebackhide__ = True
        names = None if of is None else _names(of)
        goal = Goal(_kind(kind), moment, path, names, nth)
        self._stage._run(self._stage._staging.reach(self._role, goal, timeout))
        return self

    def _held(self, world: World) -> At | None:
        if not self._role.held:
            return None
        step, moment, _ = self._role.held[0]
        name = _object(world, step)
        return At(
            moment.value,
            step.kind.value,
            step.path,
            step.to,
            name,
            step.version,
            step.where,
            show_step(step, name),
        )


class StageHandle:
    """Where calls are moved by hand."""

    def __init__(self, run: Run, world: World, staging: Staging) -> None:
        self._run = run
        self._world = world
        self._staging = staging

    def spawn(self, function: Any, *args: Any, **kwargs: Any) -> ActorHandle:
        """
        Spawn a function of the SDK; the call is held at its first step.

        That is its container's `start`, or its `input` in a container that is warm. One for which
        there is no container, as the function may have no more, is held once it gets one.
        """
        __tracebackhide__ = True
        self._ask(lambda world: self._staging.begin_adopting())
        call = None
        try:
            call = function.spawn(*args, **kwargs)
        finally:
            call_id = None if call is None else call.object_id
            self._ask(lambda world: self._end_adopting(world, call_id))
        actor = self.actor(call)
        self._run(self._staging.come(actor._role, LIMIT))
        return actor

    def actor(self, call: Any) -> ActorHandle:
        """Return the actor of a call that was spawned, which is held at its next step."""
        call_id = call if isinstance(call, str) else call.object_id
        if isinstance(call, str):
            call = modal.FunctionCall.from_id(call)
        role = self._ask(lambda world: self._staging.adopt(world.calls.call(call_id)))
        return ActorHandle(self, role, call)

    def expect(self, function: Any) -> ActorHandle:
        """
        Return an actor for the next call of a function, whoever makes it.

        `function` is one of the SDK, or its name; for a class, the class's name. This is for what
        a container calls, for web functions and schedules, and for each input of a map.
        """
        name = function if isinstance(function, str) else self._tag(function)

        def fits(new: Input) -> bool:
            tag = self._world.apps.past(new.function_id).tag.removesuffix(".*")
            return name in (tag, tag.rpartition(".<locals>.")[2])

        return ActorHandle(self, self._ask(lambda world: self._staging.expect(fits, name)))

    def background_commit(self, of: Any = None) -> None:
        """
        Make a background commit now: of an actor, of a volume (or its name), or of everybody.

        While a stage is open there are no others, unless it was opened with `background_commits`.
        """
        names = None if of is None or isinstance(of, ActorHandle) else _names(of)

        async def commit(world: World) -> None:
            everybody: tuple[Holder, ...] = (
                *world.dispatcher.workers(),
                *world.sandboxes.running(),
            )
            if isinstance(of, ActorHandle):
                everybody = (self._staging.worker(of._role),)
            await commit_once(
                everybody,
                world.commits,
                world.journal,
                world.steps,
                lambda each: (
                    names is None or not names.isdisjoint((each, world.names.called(each)))
                ),
            )

        self._do(commit)

    def _end_adopting(self, world: World, call_id: str | None) -> None:
        self._staging.end_adopting(None if call_id is None else world.calls.call(call_id))

    def _tag(self, function: Any) -> str:
        function.hydrate()
        return self._ask(lambda world: world.apps.past(function.object_id).tag.removesuffix(".*"))

    def _ask(self, question: Callable[[World], T]) -> T:
        __tracebackhide__ = True

        async def asked() -> T:
            return question(self._world)

        answer: T = self._run(asked())
        return answer

    def _do(self, work: Callable[[World], Coroutine[Any, Any, None]]) -> None:
        __tracebackhide__ = True
        self._run(work(self._world))


@contextmanager
def opened(run: Run, world: World, *, background_commits: bool) -> Iterator[StageHandle]:
    """Open a stage for the length of the block; at its end everything is let go."""
    staging = Staging(
        world.dispatcher,
        world.calls,
        world.apps,
        world.settling,
        world.steps,
        world.journal,
        world.names.called,
    )
    stage = StageHandle(run, world, staging)
    stage._ask(lambda _: staging.open(background=background_commits))
    try:
        yield stage
    finally:
        stage._ask(lambda _: staging.close())


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError:
        names = [kind.value for kind in Kind]
        near = get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f": {', '.join(names)}"
        raise Invalid(f"there is no step {name!r}{hint}") from None


def _names(of: Object) -> frozenset[str]:
    """Return by what an object is known: what was given, or the id of what is the SDK's."""
    if isinstance(of, str):
        return frozenset((of,))
    of.hydrate()
    return frozenset((of.object_id,))


def _object(world: World, step: Step) -> str:
    if step.kind is Kind.CALL:
        return world.apps.past(step.object_id).tag
    return world.names.called(step.object_id) or step.object_id
