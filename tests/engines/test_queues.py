import asyncio

import pytest

from engines.kept import on_open
from fakes import settle
from modal_emulator.engines.engine import QueueEngine
from modal_emulator.ground.errors import Exhausted, Invalid, TooLarge

DAY = 86_400.0
Q = "qu-1"


async def put(queues: QueueEngine, *values: bytes, partition: bytes = b"", ttl: float = 0) -> None:
    await queues.put(Q, partition, values, ttl)


async def there(queues: QueueEngine, partition: bytes = b"") -> list[bytes]:
    return [value for _, value in await queues.after(Q, partition, "")]


@on_open
async def test_first_in_first_out_in_each_partition(kept, engines):
    queues = engines.queue_engine
    await put(queues, b"1")
    await put(queues, b"2", b"3\x00")
    await put(queues, b"x", partition=b"p")
    assert await queues.length(Q, b"") == 3 and await queues.length(Q, b"p") == 1
    assert await queues.length(Q, None) == 4 and await queues.partitions(Q) == 2
    assert await queues.take(Q, b"", 2) == [b"1", b"2"]
    await put(queues, b"")
    assert await queues.take(Q, b"", 9) == [b"3\x00", b""]
    assert await queues.take(Q, b"", 1) == [] == await queues.take("qu-2", b"p", 1)
    assert await queues.partitions(Q) == 1
    assert await queues.take(Q, b"p", 0) == []
    assert await there(queues, b"p") == [b"x"]


@on_open
async def test_an_item_without_a_byte_is_taken_before_others(kept, engines):
    queues = engines.queue_engine
    await put(queues, b"", b"1")
    assert await queues.take(Q, b"", 1) == [b""]
    assert await queues.take(Q, b"", 1) == [b"1"]


@on_open
async def test_who_reads_on_goes_on_behind_the_last_entry(kept, engines):
    queues = engines.queue_engine
    await put(queues, b"1", b"2", b"3")
    (first, _), (second, value), _ = await queues.after(Q, b"", "")
    assert value == b"2"
    assert [value for _, value in await queues.after(Q, b"", first)] == [b"2", b"3"]
    await queues.take(Q, b"", 3)
    assert await queues.after(Q, b"", second) == []
    await put(queues, b"4")  # the partition is a new one
    [(fourth, value)] = await queues.after(Q, b"", second)
    assert value == b"4" and fourth not in (first, second)
    await queues.clear(Q, None)
    await put(queues, b"5")
    assert [value for _, value in await queues.after(Q, b"", fourth)] == [b"5"]
    with pytest.raises(Invalid, match="entry id 'x'"):
        await queues.after(Q, b"", "x")


@on_open
async def test_a_partition_is_cleared_some_time_after_its_last_put(kept, engines):
    queues = engines.queue_engine
    await put(queues, b"1")
    await put(queues, b"x", partition=b"short", ttl=10)
    await put(queues, b"x", partition=b"shorter", ttl=1000)
    await put(queues, b"y", partition=b"shorter", ttl=10)
    await kept.clock.advance(9.5)
    await put(queues, b"y", partition=b"short", ttl=10)
    assert await queues.length(Q, None) == 5
    await kept.clock.advance(0.5)
    assert await queues.length(Q, b"shorter") == 0 and await queues.partitions(Q) == 2
    await kept.clock.advance(9.5)
    assert await there(queues, b"short") == []
    await kept.clock.advance(DAY - 20.0)
    assert await there(queues) == [b"1"]
    await kept.clock.advance(0.5)
    assert await queues.take(Q, b"", 1) == [] and await queues.length(Q, None) == 0


@on_open
async def test_taking_puts_no_clearing_off(kept, engines):
    queues = engines.queue_engine
    await put(queues, b"1", b"2", ttl=10)
    await kept.clock.advance(9.0)
    assert await queues.take(Q, b"", 1) == [b"1"]
    await kept.clock.advance(1.0)
    assert await there(queues) == []


@on_open
async def test_there_is_no_longer_span_than_a_day(kept, engines):
    for ttl in (DAY + 1, -1):
        with pytest.raises(Invalid, match="partition_ttl"):
            await put(engines.queue_engine, b"1", ttl=ttl)
    await put(engines.queue_engine, b"1", ttl=DAY)


@on_open
async def test_what_has_no_room_is_refused_as_a_whole(kept, engines):
    queues = engines.queue_engine
    await put(queues, *[b"%d" % n for n in range(5)])
    with pytest.raises(Exhausted, match="6 items"):
        await put(queues, b"5", b"6")
    assert await queues.length(Q, b"") == 5
    await put(queues, b"5")
    await put(queues, b"x" * 1000, b"y" * 1000, b"z" * 999, partition=b"large")
    with pytest.raises(Exhausted, match="3000 B"):
        await put(queues, b"ab", partition=b"large")
    await put(queues, b"a", partition=b"large")
    assert len((await queues.take(Q, b"large", 1))[0]) == 1000
    await put(queues, b"x" * 1000, partition=b"large")  # there is room again
    await put(queues, b"1", partition=b"third")
    await put(queues, b"1", partition=b"fourth")
    with pytest.raises(Exhausted, match="4 partitions"):
        await put(queues, b"1", partition=b"fifth")
    await queues.clear(Q, b"third")
    await put(queues, b"1", partition=b"fifth")
    with pytest.raises(TooLarge, match="status = '413'"):
        await put(queues, b"a", b"x" * 1001, partition=b"fourth")
    assert await there(queues, b"fourth") == [b"1"]


@on_open
async def test_clear_takes_one_partition_or_all(kept, engines):
    queues = engines.queue_engine
    for partition in (b"", b"a", b"b"):
        await put(queues, b"1", partition=partition)
    await queues.put("qu-2", b"", [b"other"], 0)
    await queues.clear(Q, b"")
    assert await queues.length(Q, None) == 2 and await there(queues) == []
    await queues.clear(Q, None)
    assert await queues.length(Q, None) == 0 == await queues.partitions(Q)
    assert await queues.length("qu-2", None) == 1
    await put(queues)
    assert await queues.partitions(Q) == 0


@on_open
async def test_of_many_who_take_each_gets_another(kept, engines):
    queues = engines.queue_engine
    await put(queues, *[b"%d" % n for n in range(6)])
    taken = await asyncio.gather(*(queues.take(Q, b"", 1) for _ in range(8)))
    assert sorted(value for values in taken for value in values) == [b"%d" % n for n in range(6)]


async def waiting(kept, queues, seconds: float, after: str = "", partition: bytes = b""):
    until = kept.clock.now() + seconds
    task = asyncio.ensure_future(queues.arrival(Q, partition, until, after))
    # One real round trip after the other: the clock stands still, and nobody else is there.
    while not kept.clock.next_due() and not task.done():
        await asyncio.sleep(0)
    return task


@on_open
async def test_an_arrival_wakes_who_waits_for_its_partition(kept, engines):
    queues = engines.queue_engine
    await put(queues, b"x", partition=b"other")
    task = await waiting(kept, queues, 60)
    await put(queues, b"y", partition=b"other")
    await settle()
    assert not task.done()
    await put(queues, b"1")
    assert await task
    assert kept.clock.now() == 1_700_000_000.0


@on_open
async def test_what_is_there_needs_no_waiting(kept, engines):
    queues = engines.queue_engine
    await put(queues, b"1")
    assert await (await waiting(kept, queues, 60))
    [(first, _)] = await queues.after(Q, b"", "")
    task = await waiting(kept, queues, 60, after=first)
    assert not task.done()
    await put(queues, b"2")
    assert await task
    assert not await (await waiting(kept, queues, 0, partition=b"other"))


@on_open
async def test_waiting_ends_when_the_clock_reaches_its_end(kept, engines):
    queues = engines.queue_engine
    task = await waiting(kept, queues, 60)
    await kept.clock.advance(59)
    assert not task.done()
    await kept.clock.advance(1)
    assert not await task


@on_open
async def test_who_gave_up_waiting_is_in_nobodys_way(kept, engines):
    queues = engines.queue_engine
    task = await waiting(kept, queues, 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await put(queues, b"1")
    assert await queues.take(Q, b"", 1) == [b"1"]
