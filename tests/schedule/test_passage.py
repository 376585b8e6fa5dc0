"""What passes through a call while it runs."""

import asyncio

import pytest

from modal_emulator.ground.errors import Conflict
from modal_emulator.schedule.passage import AGAIN, AHEAD, Passage
from modal_emulator.schedule.pulse import Pulse


def test_neither_end_runs_far_ahead() -> None:
    async def story() -> None:
        passage = Passage(Pulse(), lambda: True)
        passage.give([b"x" * AHEAD, b"y"])
        giving = asyncio.ensure_future(passage.attention())
        passage.produce([b"x" * AHEAD, b"y"])
        producing = asyncio.ensure_future(passage.room())
        await asyncio.sleep(0)
        assert not giving.done() and not producing.done()
        assert passage.hear(0) == b"x" * AHEAD and passage.take(0) == b"x" * AHEAD
        await asyncio.gather(giving, producing)
        assert passage.take(1) == b"y" and passage.take(2) is None
        assert passage.produced == [b"", b""]

    asyncio.run(asyncio.wait_for(story(), 60))


def test_a_little_can_be_heard_again_and_much_cannot() -> None:
    passage = Passage(Pulse(), lambda: True)
    passage.give([b"a", b"b"])
    for _ in range(2):
        assert (passage.hear(0), passage.hear(1)) == (b"a", b"b")
    passage.give([b"x" * AGAIN])
    assert passage.hear(2) == b"x" * AGAIN
    with pytest.raises(Conflict, match="cannot begin again"):
        passage.hear(0)
    assert passage.given == [b"", b"b", b""]


def test_what_nobody_takes_any_more_is_dropped() -> None:
    passage = Passage(Pulse(), lambda: True)
    passage.produce([b"x" * AHEAD, b"y"])
    passage.end()
    passage.produce([b"z"])
    assert passage.produced == []
    asyncio.run(asyncio.wait_for(passage.room(), 60))
