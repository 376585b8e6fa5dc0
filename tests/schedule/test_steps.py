"""Steps: they pass, are held, fail, and are noted."""

import asyncio
from collections.abc import Callable

import pytest

from fakes import ManualClock, settle
from modal_emulator.ground.errors import Conflict
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.steps import Steps

COMMIT = Step(Kind.COMMIT, "ta-1", "add", object_id="vo-1", where=("index.py:3 in add",))


class Barrier:
    """Holds what it wants until it is opened."""

    def __init__(self, wants: Moment, error: Exception | None = None) -> None:
        self._wants = wants
        self._error = error
        self.held: list[Step] = []
        self.opened = asyncio.Event()

    def wants(self, step: Step, moment: Moment) -> bool:
        return moment is self._wants and step.kind is Kind.COMMIT

    async def arrive(self, step: Step, moment: Moment) -> None:
        self.held.append(step)
        await self.opened.wait()
        if self._error is not None:
            raise self._error


class Stage:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.journal = Journal(self.clock)
        self.settling = Settling(self.clock, self.journal)
        self.steps = Steps(self.settling, self.journal)
        self.done: list[str] = []

    async def work(self) -> str:
        self.done.append("work")
        return "result"

    async def broken(self) -> None:
        raise Conflict("no")

    def noted(self) -> list[str]:
        return [str(event.values["error"]) for event in self.journal.events("step")]


def play(body: Callable[[Stage], object]) -> None:
    async def run() -> None:
        await body(Stage())

    asyncio.run(run())


def test_a_step_passes_and_is_noted() -> None:
    async def body(stage: Stage) -> None:
        assert await stage.steps.take(COMMIT, stage.work) == "result"
        (event,) = stage.journal.events("step")
        assert event.values["step"] == "commit"
        assert event.values["where"] == "index.py:3 in add"
        with pytest.raises(Conflict):
            await stage.steps.take(COMMIT, stage.broken)
        assert stage.noted() == ["", "Conflict('no')"]

    play(body)


@pytest.mark.parametrize("moment", list(Moment))
def test_a_step_is_held(moment: Moment) -> None:
    async def body(stage: Stage) -> None:
        barrier = Barrier(moment)
        remove = stage.steps.add(barrier)
        taking = asyncio.ensure_future(stage.steps.take(COMMIT, stage.work))
        await settle()
        assert barrier.held == [COMMIT]
        assert bool(stage.done) == (moment is Moment.AFTER)
        assert not taking.done()
        barrier.opened.set()
        assert await taking == "result"
        remove()
        assert not stage.steps.gated
        await stage.steps.take(COMMIT, stage.work)
        assert barrier.held == [COMMIT]

    play(body)


def test_a_step_is_made_to_fail() -> None:
    async def body(stage: Stage) -> None:
        barrier = Barrier(Moment.BEFORE, Conflict("not now"))
        barrier.opened.set()
        stage.steps.add(barrier)
        with pytest.raises(Conflict, match="not now"):
            await stage.steps.take(COMMIT, stage.work)
        assert stage.done == []

    play(body)


def test_what_no_gate_wants_goes_through() -> None:
    async def body(stage: Stage) -> None:
        barrier = Barrier(Moment.BEFORE)
        stage.steps.add(barrier)
        reload = Step(Kind.RELOAD, "ta-1")
        assert await stage.steps.take(reload, stage.work) == "result"
        assert barrier.held == []

    play(body)


def test_whoever_asks_hears_when_gates_come_and_go() -> None:
    async def body(stage: Stage) -> None:
        heard: list[bool] = []
        stage.steps.on_change(lambda: heard.append(stage.steps.gated))
        stage.steps.add(Barrier(Moment.BEFORE))()
        assert heard == [True, False]

    play(body)


def test_whoever_listens_hears_of_steps_that_are_over() -> None:
    async def body(stage: Stage) -> None:
        heard: list[tuple[Step, bool]] = []
        forget = stage.steps.listen(lambda step, error: heard.append((step, error is None)))
        await stage.steps.take(COMMIT, stage.work)
        with pytest.raises(Conflict):
            await stage.steps.take(COMMIT, stage.broken)
        forget()
        await stage.steps.take(COMMIT, stage.work)
        assert heard == [(COMMIT, True), (COMMIT, False)]

    play(body)
