import asyncio
import time

from modal_emulator.ground.clock import breathe
from modal_emulator.ground.virtual import VirtualClock


def test_an_untouched_clock_tells_the_machines_time():
    before = time.time()
    assert before <= VirtualClock().now() <= time.time()


def test_sleeping_takes_at_least_that_long():
    began = time.monotonic()
    asyncio.run(VirtualClock().sleep(0.01))
    assert time.monotonic() - began >= 0.009


def test_whoever_breathes_lets_others_go_first():
    order = []

    async def long():
        for step in range(3):
            order.append(step)
            await breathe()

    async def both():
        await asyncio.gather(long(), long())

    asyncio.run(both())
    assert order == [0, 0, 1, 1, 2, 2]
