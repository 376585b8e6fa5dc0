import asyncio
import time

from modal_emulator.ground.clock import SystemClock


def test_the_system_clock_tells_the_machines_time():
    before = time.time()
    assert before <= SystemClock().now() <= time.time()


def test_sleeping_takes_at_least_that_long():
    began = time.monotonic()
    asyncio.run(SystemClock().sleep(0.01))
    assert time.monotonic() - began >= 0.009
