import asyncio
from collections.abc import Awaitable, Callable

from fakes import ManualClock, settle
from modal_emulator.schedule.timeline import Timeline


class Stage:
    def __init__(self) -> None:
        self.clock = ManualClock(0.0)
        self.seen: list[tuple[str, float, float]] = []
        self.timeline = Timeline(self.clock, self.due)

    def due(self, key: str, due: float) -> None:
        self.seen.append((key, due, self.clock.now()))

    def put(self, key: str, *times: float) -> None:
        self.timeline.put(key, (key,), iter(times))


def play(body: Callable[[Stage], Awaitable[None]]) -> None:
    async def run() -> None:
        stage = Stage()
        stage.timeline.start()
        await body(stage)
        stage.timeline.close()
        await settle()
        assert stage.clock.next_due() is None

    asyncio.run(run())


def test_lines_come_in_the_order_of_their_instants_each_at_its_own():
    async def body(stage: Stage) -> None:
        stage.put("b", 10, 30)
        stage.put("a", 20, 30, 40)
        assert stage.timeline.keys() == ["b", "a"]
        await stage.clock.advance(35)
        assert stage.seen == [("b", 10, 10), ("a", 20, 20), ("a", 30, 30), ("b", 30, 30)]
        assert (stage.timeline.next("a"), stage.timeline.next("b")) == (40, None)

    play(body)


def test_there_is_one_sleeper_however_many_lines():
    async def body(stage: Stage) -> None:
        for number in range(100):
            stage.put(f"line {number}", 10 + number)
        await settle()
        assert stage.clock.next_due() == 10
        assert len(stage.clock._waiters) - stage.clock._gone == 1

    play(body)


def test_among_equals_each_has_a_turn_of_its_own():
    async def body(stage: Stage) -> None:
        began: list[str] = []

        async def work(key: str) -> None:
            began.append(f"{key} begins")
            await asyncio.sleep(0)
            began.append(f"{key} ends")

        tasks = []
        stage.timeline = Timeline(
            stage.clock, lambda key, _: tasks.append(asyncio.ensure_future(work(key)))
        )
        stage.timeline.start()
        stage.put("b", 10)
        stage.put("a", 10)
        await stage.clock.advance(10)
        assert began == ["a begins", "a ends", "b begins", "b ends"]

    play(body)


def test_a_line_put_anew_or_dropped_is_not_due_as_it_was():
    async def body(stage: Stage) -> None:
        stage.put("a", 10, 20)
        stage.put("b", 10)
        stage.put("a", 15)
        stage.timeline.drop(["b", "never there"])
        await stage.clock.advance(30)
        assert stage.seen == [("a", 15, 15)]

    play(body)


def test_an_earlier_line_is_not_slept_over():
    async def body(stage: Stage) -> None:
        stage.put("late", 100)
        await settle()
        stage.put("early", 10)
        await stage.clock.advance(50)
        assert stage.seen == [("early", 10, 10)]

    play(body)


def test_nothing_is_due_before_the_start_nor_after_the_end():
    async def body(stage: Stage) -> None:
        stage.timeline.close()
        stage.put("a", 10)
        await stage.clock.advance(5)
        stage.timeline.start()
        await settle()
        assert stage.clock.next_due() == 10
        stage.timeline.close()
        await stage.clock.advance(20)
        assert stage.seen == []

    play(body)


def test_who_is_told_may_change_the_lines():
    async def body(stage: Stage) -> None:
        def due(key: str, at: float) -> None:
            stage.due(key, at)
            if key == "a":
                stage.timeline.drop(["b"])
                stage.put("c", 25)

        stage.timeline = Timeline(stage.clock, due)
        stage.timeline.start()
        stage.put("a", 10)
        stage.put("b", 20)
        await stage.clock.advance(30)
        assert [key for key, _, _ in stage.seen] == ["a", "c"]
        stage.timeline.close()

    play(body)
