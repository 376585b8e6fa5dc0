"""What containers tell of files comes onto the loop in order; holds end with the container."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fakes import ManualClock, settle
from modal_emulator.ground.errors import Conflict
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.runtime.sight import Attention
from modal_emulator.schedule.eyesight import Eyesight, Look
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.steps import Steps

READ = Step(Kind.READ, object_id="vo-1", path="a.txt")


class Stage:
    """A World's steps, and one container's files."""

    def __init__(self) -> None:
        clock = ManualClock()
        self.journal = Journal(clock)
        self.steps = Steps(Settling(clock, self.journal), self.journal)
        self.eyesight = Eyesight(self.steps, self.journal, Path("no page"), watches=True)
        look = self.eyesight.look(
            "ta-1", lambda step: step._replace(container_id="ta-1", version=7)
        )
        assert look is not None
        self.look: Look = look

    def noted(self) -> list[tuple[str, str]]:
        events = self.journal.events("step")
        return [(str(each.values["path"]), str(each.values["error"])) for each in events]


class Barrier:
    """Holds every step until it is opened, and lets it fail if it is told to."""

    def __init__(self) -> None:
        self.held: list[tuple[Step, Moment]] = []
        self.opened = asyncio.Event()
        self.error: Exception | None = None

    def wants(self, step: Step, moment: Moment) -> bool:
        return True

    async def arrive(self, step: Step, moment: Moment) -> None:
        self.held.append((step, moment))
        await self.opened.wait()
        if self.error is not None:
            raise self.error


def play(body: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        await asyncio.wait_for(body(Stage()), 100)

    asyncio.run(run())


def test_notes_come_in_their_order_with_what_only_the_server_knows() -> None:
    async def body(stage: Stage) -> None:
        def tells() -> None:
            for number in range(3):
                error = OSError(2, "No such file") if number == 1 else None
                stage.look.note(READ._replace(path=str(number)), error)

        await asyncio.to_thread(tells)
        await settle()
        assert stage.noted() == [
            ("0", ""),
            ("1", "FileNotFoundError(2, 'No such file')"),
            ("2", ""),
        ]
        (first, *_) = stage.journal.events("step")
        assert (first.values["container_id"], first.values["version"]) == ("ta-1", 7)

    play(body)


def test_a_thread_is_held_before_and_after() -> None:
    async def body(stage: Stage) -> None:
        barrier, done = Barrier(), list[str]()
        remove = stage.steps.add(barrier)
        assert stage.look.attention is Attention.HOLD

        def works() -> None:
            stage.look.hold(READ, Moment.BEFORE)
            done.append("work")
            stage.look.hold(READ, Moment.AFTER)

        working = asyncio.ensure_future(asyncio.to_thread(works))
        for moment, noted in ((Moment.BEFORE, 0), (Moment.AFTER, 1)):
            while not barrier.held:
                await asyncio.sleep(0)
            ((step, at),) = barrier.held
            assert (step.container_id, step.version, at) == ("ta-1", 7, moment)
            assert len(done) == len(stage.noted()) == noted
            barrier.held.clear()
            barrier.opened.set()
            await asyncio.sleep(0)
            barrier.opened.clear()
        barrier.opened.set()
        await working
        remove()
        assert stage.look.attention is Attention.NOTE

    play(body)


@pytest.mark.parametrize("error", [Conflict("full"), OSError(28, "full")])
def test_a_step_is_made_to_fail(error: Exception) -> None:
    async def body(stage: Stage) -> None:
        barrier = Barrier()
        barrier.error = error
        barrier.opened.set()
        stage.steps.add(barrier)
        with pytest.raises(OSError, match="full"):
            await asyncio.to_thread(stage.look.hold, READ, Moment.BEFORE)
        assert stage.noted() == []

    play(body)


def test_the_end_of_a_container_lets_its_threads_go() -> None:
    async def body(stage: Stage) -> None:
        barrier = Barrier()
        stage.steps.add(barrier)
        holding = asyncio.ensure_future(asyncio.to_thread(stage.look.hold, READ, Moment.BEFORE))
        while not barrier.held:
            await asyncio.sleep(0)
        stage.eyesight.close("ta-1")
        await holding
        await asyncio.to_thread(stage.look.hold, READ, Moment.AFTER)  # and never again
        assert len(barrier.held) == 1 and stage.noted() == []

    play(body)


def test_the_loops_own_thread_is_never_held() -> None:
    async def body(stage: Stage) -> None:
        stage.steps.add(Barrier())
        stage.look.hold(READ, Moment.BEFORE)
        stage.look.hold(READ, Moment.AFTER)
        await settle()
        assert stage.noted() == [("a.txt", "")]

    play(body)


def test_nobody_waits_for_a_loop_that_is_closed() -> None:
    stages: list[Stage] = []

    async def body(stage: Stage) -> None:
        stage.steps.add(Barrier())
        stages.append(stage)

    play(body)
    (stage,) = stages
    thread = threading.Thread(target=stage.look.hold, args=(READ, Moment.BEFORE))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    stage.look.note(READ, None)


def test_what_happens_elsewhere_makes_old_steps_news() -> None:
    async def body(stage: Stage) -> None:
        seen = [stage.look.epoch]
        stage.steps.note(READ)
        seen.append(stage.look.epoch)
        stage.steps.note(Step(Kind.RELOAD))
        seen.append(stage.look.epoch)
        stage.journal.add("volume.commit", volume_id="vo-1")
        seen.append(stage.look.epoch)
        assert seen == [0, 0, 1, 2]

    play(body)


def test_nothing_is_seen_where_nobody_wants_to() -> None:
    async def body(stage: Stage) -> None:
        blind = Eyesight(stage.steps, stage.journal, Path("no page"), watches=False)
        assert blind.look("ta-1", lambda step: step) is None

    play(body)
