"""Commands in containers, as whoever started them finds them."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import Conflict, Invalid, NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Command, Exit
from modal_emulator.schedule import executed, executions
from modal_emulator.schedule.executed import Order
from modal_emulator.schedule.executions import Executions


class Box:
    """A container whose commands do what the test says."""

    container_id = "ta-1"

    def __init__(self) -> None:
        self.started: list[Running] = []
        self.refuses = False

    async def execute(self, command: Command) -> "Running":
        await asyncio.sleep(0)
        if self.refuses:
            raise Conflict("no such program")
        self.started.append(Running(command))
        return self.started[-1]


class Running:
    """One command of it."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.given: list[bytes] = []
        self.closed = self.held = False
        self.signals: list[int] = []

    async def write(self, data: bytes) -> None:
        if self.command.arguments[0] == "deaf":
            raise BrokenPipeError
        self.given.append(data)

    async def close_input(self) -> None:
        self.closed = True

    def hold(self, *, held: bool) -> None:
        self.held = held

    async def resize(self, rows: int, columns: int) -> None:
        raise AssertionError

    async def signal(self, number: int) -> None:
        self.signals.append(number)
        self.command.on_exit(Exit(None, number))


class Stage:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.journal = Journal(self.clock)
        self.executions = Executions(self.clock, self.journal)
        self.box = Box()

    async def start(self, *arguments: str, id: str = "one", **options: object) -> executed.Executed:
        order = Order(arguments or ("cat",), **options)  # type: ignore[arg-type]
        return await self.executions.start(self.box, id, order)  # type: ignore[arg-type]


def play(story: Callable[[Stage], Awaitable[None]]) -> None:
    async def whole() -> None:
        stage = Stage()
        await story(stage)
        await stage.executions.close()

    asyncio.run(whole())


def test_a_start_that_comes_again_is_one() -> None:
    async def story(stage: Stage) -> None:
        both = await asyncio.gather(stage.start(), stage.start())
        assert both[0] is both[1] is stage.executions.get("one", "ta-1")
        assert len(stage.box.started) == 1
        for wrong in (("two", None), ("one", "ta-2")):
            with pytest.raises(NotFound):
                stage.executions.get(*wrong)

    play(story)


def test_what_cannot_be_started_may_be_tried_again() -> None:
    async def story(stage: Stage) -> None:
        stage.box.refuses = True
        with pytest.raises(Conflict):
            await stage.start()
        with pytest.raises(NotFound):
            stage.executions.get("one")
        with pytest.raises(Invalid):
            await stage.executions.start(stage.box, "none", Order(()))  # type: ignore[arg-type]
        stage.box.refuses = False
        assert (await stage.start()).exit_code is None

    play(story)


def test_input_is_counted() -> None:
    async def story(stage: Stage) -> None:
        command = await stage.start()
        await command.give(b"abc", 0, eof=False)
        await command.give(b"bcde", 1, eof=False)  # a part of it came before
        with pytest.raises(Conflict, match="byte 5 and not at 6"):
            await command.give(b"x", 6, eof=False)
        await command.give(b"", 5, eof=True)
        await command.give(b"", 5, eof=True)  # the answer to the first was lost
        with pytest.raises(Conflict, match="closed"):
            await command.give(b"x", 5, eof=False)
        running = stage.box.started[0]
        assert (b"".join(running.given), running.closed) == (b"abcde", True)
        assert (command.given, command.given_all) == (5, True)
        deaf = await stage.start("deaf", id="two")
        with pytest.raises(Conflict, match="has closed its input"):
            await deaf.give_message(1, b"x", eof=False)
        other = await stage.start(id="three")
        for index, data in ((1, b"a"), (1, b"a"), (2, b"b")):
            await other.give_message(index, data, eof=False)
        assert b"".join(stage.box.started[-1].given) == b"ab"

    play(story)


def test_output_waits_for_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executed, "_UNREAD", 10)

    async def story(stage: Stage) -> None:
        command = await stage.start(kept=frozenset({1}))
        running = stage.box.started[0]
        running.command.on_output(2, b"nobody wants this, however long")
        assert not running.held
        running.command.on_output(1, b"more than ten")
        assert running.held
        assert command.read(1, 0, 5) == b"more "
        assert not running.held
        assert command.read(2, 0, 5) == b""

    play(story)


def test_its_time_is_the_clocks() -> None:
    async def story(stage: Stage) -> None:
        late = await stage.start(timeout=10)
        waiting = asyncio.ensure_future(late.wait())
        await stage.clock.advance(9)
        assert late.exit_code is None
        await stage.clock.advance(2)
        await asyncio.wait_for(waiting, 60)
        assert (late.exit_code, late.timed_out) == (128 + signal.SIGKILL, True)
        early = await stage.start(timeout=10, id="two")
        stage.box.started[1].command.on_exit(Exit(3))
        await stage.clock.advance(20)
        assert (early.exit_code, early.timed_out) == (3, False)
        assert stage.box.started[1].signals == []

    play(story)


def test_old_ones_are_forgotten_and_no_argument_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "_REMEMBERED", 2)

    async def story(stage: Stage) -> None:
        heard: list[str] = []
        stage.executions.listen(heard.append)
        for number in range(4):
            await stage.start("cat", "s3cret", id=str(number))
            assert stage.executions.running("ta-1") == 1
            assert stage.executions.running("ta-1", but=str(number)) == 0
            stage.box.started[-1].command.on_exit(Exit(0))
        with pytest.raises(NotFound):
            stage.executions.get("1")
        assert stage.executions.get("3").exit_code == 0
        assert heard
        assert "s3cret" not in repr(stage.journal.events())

    play(story)
