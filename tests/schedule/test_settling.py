"""When an instant is over."""

import asyncio
from types import SimpleNamespace

import pytest

from modal_emulator.ground.clock import breathe
from modal_emulator.ground.errors import Conflict
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.schedule.settling import Settling

START = 1_700_000_000.0


class Stage:
    def __init__(self, patience: float = 50.0) -> None:
        self.clock = VirtualClock()
        self.clock.set(START)
        self.settling = Settling(self.clock, Journal(self.clock), patience)
        self.clock.settle_with(self.settling.settled)
        self.workers: list[SimpleNamespace] = []
        self.settling.watch(lambda: self.workers)  # type: ignore[arg-type,return-value]

    def worker(self, *inputs: str, **more: bool) -> SimpleNamespace:
        pool = SimpleNamespace(function=SimpleNamespace(tag="f"))
        worker = SimpleNamespace(
            container_id=f"ta-{len(self.workers)}",
            container=SimpleNamespace(asleep_until=None),
            ending=None,
            doomed={},
            pool=pool,
            inputs=set(inputs),
            ready=more.get("ready", True),
            asking=more.get("asking", False),
            leaving=more.get("leaving", False),
            skew=0.0,
        )
        self.workers.append(worker)
        return worker


def play(body, **more):
    async def played() -> None:
        stage = Stage(**more)
        going = asyncio.ensure_future(stage.settling.go_on())
        await asyncio.wait_for(body(stage), 100)
        going.cancel()

    asyncio.run(played())


def test_nothing_is_settled():
    async def body(stage: Stage) -> None:
        await stage.settling.settled()

    play(body)


@pytest.mark.parametrize(
    ("worker", "words"),
    [
        ({"ready": False}, "starts"),
        ({"leaving": True}, "ends"),
        ({}, "begins or ends an input"),
        ({"asking": True}, ""),
    ],
)
def test_a_container_is_at_work_until_it_asks(worker, words):
    async def body(stage: Stage) -> None:
        stage.worker(**worker)
        (said,) = stage.settling.at_work() or [""]
        assert said.endswith(words)
        assert bool(said) == bool(words)

    play(body)


def test_inputs_that_wait_for_what_comes_are_at_rest():
    async def body(stage: Stage) -> None:
        stage.worker("in-1", "in-2")
        settled = asyncio.ensure_future(stage.settling.settled())
        with stage.settling.waits("ta-0"):
            await asyncio.sleep(0.01)
            assert not settled.done()
            with stage.settling.waits("ta-0"):
                await settled
        assert "runs 2 of its inputs" in stage.settling.at_work()[0]

    play(body)


def test_what_never_rests_is_named():
    async def body(stage: Stage) -> None:
        stage.worker("in-1")
        with pytest.raises(Conflict, match=r"container ta-0 of 'f' runs 1"):
            await stage.clock.travel(START + 1)
        with stage.settling.busy("background commits"):
            stage.workers.clear()
            with pytest.raises(Conflict, match="background commits"):
                await stage.settling.settled()

    play(body, patience=0.02)


def test_a_clock_that_stands_goes_on_for_a_client_that_waits():
    async def body(stage: Stage) -> None:
        seen: list[float] = []
        stage.clock.after(60, lambda: seen.append(stage.clock.now()))
        with stage.settling.waits(None):
            while not seen:
                await asyncio.sleep(0.001)
        assert seen == [START + 60]
        stage.clock.after(60, lambda: seen.append(stage.clock.now()))
        await asyncio.sleep(0.01)
        assert len(seen) == 1  # nobody waits

    play(body)


def test_it_goes_on_when_nobody_else_says_so_any_more():
    async def body(stage: Stage) -> None:
        slept = asyncio.ensure_future(stage.clock.sleep(60))
        with stage.settling.waits(None):
            with stage.settling.led():
                for _ in range(10):
                    await breathe()
                assert stage.clock.now() == START
            await slept
        assert stage.clock.now() == START + 60

    play(body)


def test_it_does_not_go_on_while_a_container_works():
    async def body(stage: Stage) -> None:
        seen: list[float] = []
        stage.clock.after(60, lambda: seen.append(stage.clock.now()))
        worker = stage.worker("in-1")
        with stage.settling.waits(None):
            await asyncio.sleep(0.02)
            assert not seen
            worker.inputs.clear()
            worker.asking = True
            stage.settling.changed()
            while not seen:
                await asyncio.sleep(0.001)

    play(body)


def test_by_itself_when_told():
    async def body(stage: Stage) -> None:
        seen: list[float] = []

        def tick() -> None:
            seen.append(stage.clock.now())
            if len(seen) < 3:
                stage.clock.after(3600, tick)

        stage.clock.after(3600, tick)
        stage.settling.autojump = True
        stage.settling.changed()
        while len(seen) < 3:
            await asyncio.sleep(0.001)
        assert seen == [START + 3600, START + 7200, START + 10800]

    play(body)


def test_by_itself_no_further_than_it_is_told():
    async def body(stage: Stage) -> None:
        limits: list[float] = []
        over, waited = asyncio.Event(), asyncio.Event()
        wait = stage.settling._changed.wait

        async def listening(*span: float) -> bool:
            if limits:  # nothing is left but to wait for somebody to do something
                waited.set()
            return await wait(*span)

        stage.settling._changed.wait = listening  # type: ignore[method-assign,assignment]
        stage.clock.after(3600, lambda: limits.append(stage.clock.now()))
        stage.clock.after(7200, over.set)
        stage.settling.jump(START + 7000)
        await waited.wait()
        assert limits == [stage.clock.now()] == [START + 3600]
        assert stage.settling.autojump and not over.is_set()
        stage.settling.jump(START + 7200)
        await over.wait()
        assert stage.clock.now() == START + 7200
        stage.settling.jump(None)
        assert not stage.settling.autojump

    play(body)


def test_who_was_at_work_since_it_was_asked_last():
    async def body(stage: Stage) -> None:
        idle, busy = stage.worker(asking=True), stage.worker("in-1")
        stage.settling.changed(idle.container_id)
        assert stage.settling.stirred(stage.workers) == [idle, busy]
        with stage.settling.waits(busy.container_id):
            assert stage.settling.stirred(stage.workers) == [busy]  # until it lay down
            assert stage.settling.stirred(stage.workers) == []
        assert stage.settling.stirred(stage.workers) == [busy]  # it woke
        busy.inputs.clear()
        busy.asking = True
        assert stage.settling.stirred(stage.workers) == []

    play(body)


def test_a_container_that_alone_knows_that_it_sleeps_is_waited_for_at_its_instant():
    async def body(stage: Stage) -> None:
        worker = stage.worker("in-1")
        seen: list[float] = []

        def wake() -> bool:
            seen.append(stage.clock.now())
            worker.container.asleep_until = None
            worker.inputs.clear()
            worker.asking = True
            return True

        worker.container.asleep_until = START + 90
        travel = asyncio.ensure_future(stage.clock.travel(START + 200))
        while not (stage.clock.now() == START + 90 and stage.settling.at_work()):
            await asyncio.sleep(0.001)
        assert not travel.done()
        wake()  # it has looked at the clock, as it does every few milliseconds
        await travel
        assert seen == [START + 90]

    play(body)
