"""
Staging: inputs that go from step to step as a test says.

A `Staging` is a gate. It knows whose step a step is, holds it where its role is to stop, and says
when a role cannot come there: once everything is at rest. Who then waits for whom is told by
`standoff`. Background commits happen only when asked for, unless somebody wants them.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from modal_emulator.ground.clock import monotonic
from modal_emulator.ground.errors import Conflict, Invalid, NotFound
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.schedule.calls import Calls, FunctionCall, Input, State
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.roles import FIRST, Goal, Held, Role
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.standoff import Scene
from modal_emulator.schedule.steps import Steps
from modal_emulator.schedule.worker import Ending, Worker
from modal_emulator.store.apps import Apps, Function

__all__ = ["Staging"]

LEAVING = frozenset({Kind.STOP, Kind.EXIT_COMMIT})
"""Steps of a container that is told to leave."""

_LOOK = 0.02
"""The machine's seconds after which to look again at somebody who sleeps."""

_HEEDING = 0.3
"""The machine's seconds for an interrupt to be met; older SDKs look for one ten times a second."""


class Staging:
    """The roles of one World, and the gate that holds them."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        calls: Calls,
        apps: Apps,
        settling: Settling,
        steps: Steps,
        journal: Journal,
        called: Callable[[str], str],
    ) -> None:
        """`called` says the name of an object."""
        self._dispatcher = dispatcher
        self._calls = calls
        self._apps = apps
        self._settling = settling
        self._steps = steps
        self._journal = journal
        self._called = called
        self._open = ExitStack()
        self._roles: list[Role] = []
        self._expected: list[tuple[Callable[[Input], bool], Role]] = []
        self._adopted: list[Role] | None = None
        self._of_container: dict[str, Role] = {}
        self._doing: dict[str, dict[Step, Role | None]] = {}

    def open(self, *, background: bool) -> None:
        """Begin to hold; with `background` commits go on by themselves every few seconds."""
        self._open.callback(self._steps.add(self))
        self._open.callback(self._journal.listen(self._hear))
        if not background:
            self._open.enter_context(self._steps.without_background())

    def close(self) -> None:
        """Let everything go."""
        self._open.close()
        for role in self._roles:
            if role.input is not None:
                role.input.only = ""  # nobody hears any more when that container is gone
            self._free(role)

    # Who is on stage.

    def begin_adopting(self) -> None:
        """Stage whoever is called from now on."""
        self._adopted = []

    def end_adopting(self, call: FunctionCall | None) -> None:
        """Of those who came meanwhile, let all go but the one of this call."""
        came, self._adopted = self._adopted or [], None
        for role in came:
            if call is None or role.input not in call.inputs:
                self._free(role)
                self._roles.remove(role)

    def adopt(self, call: FunctionCall) -> Role:
        """
        Return the role of a call, which may have begun long ago.

        Raises:
            Invalid: it has several inputs, or none.
        """
        if len(call.inputs) != 1:
            raise Invalid(f"{call.call_id} has {len(call.inputs)} inputs: expect() stages each")
        (one,) = call.inputs
        return self._role_of(one) or self._enter(one, Role(""))

    def expect(self, fits: Callable[[Input], bool], name: str) -> Role:
        """Return a role for the next input that fits."""
        role = Role(self._new_name(name))
        self._roles.append(role)
        self._expected.append((fits, role))
        return role

    def worker(self, role: Role) -> Worker:
        """
        Return the container of a role.

        Raises:
            Conflict: it has none now.
        """
        try:
            return self._dispatcher.worker(role.container_id)
        except NotFound:
            raise Conflict(f"{role.name} has no container now") from None

    # Moving one.

    async def come(self, role: Role, limit: float) -> None:
        """Return when a role is held at its first step, or waits for a container to take it."""
        await self._until(role, lambda: bool(role.held), lambda: True, limit, str(FIRST))

    async def reach(self, role: Role, goal: Goal, limit: float) -> None:
        """
        Let a role go on to the next step that fits, and hold it there.

        One that was never moved stays where it is if that fits already.

        Raises:
            Conflict: it cannot come there; the text says who waits for whom.
            TimeoutError: it did not come there in the machine's time allowed.
        """
        first = role.held[0] if role.held and not role.moved and goal.nth == 1 else None
        if first and goal.fits(first.step, first.moment, self._called(first.step.object_id)):
            role.moved = True
            return
        role.aim(goal)
        role.let_go()
        aim = str(goal)
        try:
            await self._until(
                role, lambda: bool(role.held), lambda: self._waits_on(role, aim), limit, aim
            )
        except Exception:
            if not role.held:
                role.aim(FIRST)  # for whoever goes on from here
            raise

    async def step(self, role: Role, limit: float) -> bool:
        """Let a role go on to just before its next step; False when its call is over."""
        role.aim(FIRST)
        role.let_go()
        aim = str(FIRST)
        await self._until(
            role,
            lambda: bool(role.held),
            lambda: role.is_over or self._waits_on(role, aim),
            limit,
            aim,
        )
        return bool(role.held)

    async def finish(self, role: Role, limit: float) -> None:
        """
        Let a role go, and return when its call has its outcome.

        Where its container is leaving, also when that is gone. Raises as `reach` does.
        """
        role.moved = True
        self._free(role)
        aim = "at its end"
        await self._until(
            role, lambda: self._is_done(role), lambda: self._waits_on(role, aim), limit, aim
        )

    async def preempt(self, role: Role, limit: float) -> None:
        """Take its container away; return when its input is held in the next one, or waits."""
        worker = self.worker(role)
        worker.pool.interrupt(worker, Ending.PREEMPTED)
        role.aim(FIRST)
        role.spared, heeds_until = worker.container_id, monotonic() + _HEEDING
        if worker.container is None:
            role.let_go()  # whoever starts it looks at its ending

        def again() -> bool:
            return worker.gone.is_set() and bool(role.held)

        def at_rest() -> bool:
            if not worker.gone.is_set() and monotonic() > heeds_until:
                # The interrupt does not reach a thread that waits for an answer.
                role.break_off(Conflict(f"the container of {role.name} is being taken away"))
            return worker.gone.is_set()

        await self._until(role, again, at_rest, limit, str(FIRST))

    # What a gate does.

    def wants(self, step: Step, moment: Moment) -> bool:
        """Say whether this is a container's own doing."""
        return bool(step.container_id) and step.kind is not Kind.BACKGROUND_COMMIT

    async def arrive(self, step: Step, moment: Moment) -> None:
        """Hold a step where its role is to stop."""
        doing = self._doing.setdefault(step.container_id, {})
        if moment is Moment.BEFORE or step not in doing:
            role = self._whose(step, moment)
        else:
            role = doing.pop(step)
        name = self._called(step.object_id)
        while role is not None and role.meets(step, moment, name):
            if await self._hold(role, step, moment):
                break
        if moment is Moment.BEFORE:
            doing[step] = role
            if role is not None and step.kind is Kind.INPUT:
                role.begun = True

    async def _hold(self, role: Role, step: Step, moment: Moment) -> bool:
        held = Held(step, moment, asyncio.get_running_loop().create_future())
        role.goal = None
        role.held.append(held)
        role.pulse.beat()
        try:
            return await held.freed
        finally:
            if held in role.held:  # whoever did it is gone
                role.held.remove(held)
            role.pulse.beat()

    def _whose(self, step: Step, moment: Moment) -> Role | None:
        try:
            worker = self._dispatcher.worker(step.container_id)
        except NotFound:  # a Sandbox's
            return None
        if step.kind is Kind.START and moment is Moment.BEFORE:
            self._reserve(worker)
        there = [r for r in self._roles if r.input and r.input.input_id in worker.inputs]
        if step.kind is Kind.INPUT:
            there = [r for r in there if not r.begun]
        elif len(there) > 1:  # of several at once, whoever can move
            there = [r for r in there if r.input and r.input.call_id == step.call_id] or there
            there = [r for r in there if not r.held] or there
        if there:
            self._of_container[step.container_id] = there[0]
            there[0].container_id = step.container_id
            return there[0]
        return None if worker.inputs else self._of_container.get(step.container_id)

    def _reserve(self, worker: Worker) -> None:
        """Let the container that is held at its start be the one that takes the input."""
        for waiting in worker.pool.waiting():
            role = self._role_of(waiting)
            if role is not None and not waiting.only:
                waiting.only = role.container_id = worker.container_id
                self._of_container[worker.container_id] = role
                return

    # What is heard.

    def _hear(self, event: Event) -> None:
        if event.kind == "input.queued":
            self._came(self._calls.input(str(event.values["input_id"])))
        elif event.kind == "container.exit":
            self._gone(str(event.values["container_id"]))
        elif event.kind == "app.stopping":
            for role in self._roles:
                if role.input and self._function(role.input).app_id == event.values["app_id"]:
                    self._free(role)
        for role in self._roles:
            role.pulse.beat()

    def _came(self, new: Input) -> None:
        for slot in self._expected:
            fits, role = slot
            if fits(new):
                self._expected.remove(slot)
                self._enter(new, role)
                return
        if self._adopted is not None:
            self._adopted.append(self._enter(new, Role("")))

    def _enter(self, new: Input, role: Role) -> Role:
        role.input, role.container_id = new, new.container_id
        role.begun = new.state is State.RUNNING
        if not role.name:
            role.name = self._new_name(self._function(new).tag.removesuffix(".*"))
            self._roles.append(role)
        role.pulse.beat()
        return role

    def _gone(self, container_id: str) -> None:
        self._doing.pop(container_id, None)
        self._of_container.pop(container_id, None)
        for role in self._roles:
            if role.input is not None and role.input.only == container_id:
                role.input.only = ""
            if role.container_id == container_id:
                role.begun = False

    # Whether it comes.

    async def _until(
        self,
        role: Role,
        reached: Callable[[], bool],
        at_rest: Callable[[], bool],
        limit: float,
        aim: str,
    ) -> None:
        """Return when it is reached, or when everything is at rest and `at_rest` says yes."""
        ends = monotonic() + limit
        while not reached():
            rests = await self._stirs(role, ends - monotonic())
            if reached():
                return
            left = ends - monotonic()
            if left <= 0:
                raise TimeoutError(self._scene().late(role, aim, limit, self._settling.at_work()))
            if not rests:
                continue
            if at_rest():
                return
            # Somebody sleeps: a clock that stands goes on for a client that waits.
            with self._settling.waits(None):
                await role.pulse.wait(min(_LOOK, left))

    async def _stirs(self, role: Role, left: float) -> bool:
        """Return when something of a role has changed, and say whether everything is at rest."""
        left = max(0.0, left)
        if role.input is None:  # it may come from a client that nobody sees
            await role.pulse.wait(left)
            return False
        changed = role.pulse.next()
        rest = asyncio.ensure_future(self._settling.settled())
        both: set[asyncio.Future[Any]] = {changed, rest}
        try:
            await asyncio.wait(both, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return rest.done() and rest.result() is None
        finally:
            changed.cancel()
            rest.cancel()

    def _waits_on(self, role: Role, aim: str) -> bool:
        """
        Say that it does not come yet, all being at rest.

        Raises:
            Conflict: it never does.
        """
        scene = self._scene()
        if not self._sent_away(role) and (role.is_over or not scene.goes_on):
            raise Conflict(scene.stuck(role, aim))
        return False

    def _sent_away(self, role: Role) -> bool:
        """Tell an idle container to leave if that is what is waited for."""
        if role.goal is None or role.goal.kind not in LEAVING or not role.is_over:
            return False
        for worker in self._dispatcher.workers():
            idle = not worker.inputs and not worker.leaving
            if worker.container_id == role.container_id and idle:
                worker.pool.let_go(worker)
                return True
        return False

    def _is_done(self, role: Role) -> bool:
        if not role.is_over:
            return False
        return not any(
            w.leaving for w in self._dispatcher.workers() if w.container_id == role.container_id
        )

    def _scene(self) -> Scene:
        return Scene(
            self._dispatcher, self._calls, self._apps, self._called, self._roles, self._doing
        )

    def _free(self, role: Role) -> None:
        role.free = True
        role.let_go()

    def _role_of(self, one: Input) -> Role | None:
        return next((role for role in self._roles if role.input is one), None)

    def _function(self, one: Input) -> Function:
        return self._apps.past(one.function_id)

    def _new_name(self, function: str) -> str:
        many = sum(role.name.rpartition("#")[0] == function for role in self._roles)
        return f"{function}#{many + 1}"
