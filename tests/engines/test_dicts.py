import asyncio
from dataclasses import replace

import pytest

from engines.kept import Kept, on_open
from modal_emulator.engines.engine import DictEngine
from modal_emulator.ground.errors import Invalid, TooLarge

DAY = 86_400.0
D = "di-1"


async def put(dicts: DictEngine, key: bytes, value: bytes = b"v", *, if_absent=False) -> bool:
    return await dicts.update(D, [(key, value)], if_absent=if_absent)


async def items(dicts: DictEngine, dict_id: str = D) -> dict[bytes, bytes]:
    return {key: value async for key, value in dicts.contents(dict_id)}


@on_open
async def test_what_is_put_is_found_by_its_bytes(kept, engines):
    dicts = engines.dict_engine
    assert await put(dicts, b"\x80\x05\x00k", b"\x00one")
    assert await put(dicts, b"\x80\x05\x00K", b"")
    assert await dicts.get(D, b"\x80\x05\x00k") == b"\x00one"
    assert await dicts.get(D, b"\x80\x05\x00K") == b""
    assert await dicts.get(D, b"k") is None
    assert await dicts.contains(D, b"\x80\x05\x00K")
    assert not await dicts.contains("di-2", b"\x80\x05\x00K")
    assert await put(dicts, b"\x80\x05\x00k", b"two")
    assert await items(dicts) == {b"\x80\x05\x00k": b"two", b"\x80\x05\x00K": b""}
    assert await dicts.length(D) == 2 and await dicts.length("di-2") == 0


@on_open
async def test_only_what_is_absent_is_written(kept, engines):
    dicts = engines.dict_engine
    assert await put(dicts, b"a", b"1", if_absent=True)
    assert not await put(dicts, b"a", b"2", if_absent=True)
    assert await dicts.update(D, [(b"a", b"3"), (b"b", b"4")], if_absent=True)
    assert await items(dicts) == {b"a": b"1", b"b": b"4"}


@on_open
async def test_of_many_who_put_what_is_absent_one_wins(kept, engines):
    dicts = engines.dict_engine
    won = await asyncio.gather(*(put(dicts, b"lock", b"%d" % n, if_absent=True) for n in range(9)))
    assert won.count(True) == 1
    assert await dicts.get(D, b"lock") == b"%d" % won.index(True)


@on_open
async def test_pop_takes_once(kept, engines):
    dicts = engines.dict_engine
    await put(dicts, b"a", b"1")
    assert await dicts.pop(D, b"a") == b"1"
    assert await dicts.pop(D, b"a") is None
    assert await dicts.length(D) == 0


@on_open
async def test_clear_takes_all_of_one_dict(kept, engines):
    dicts = engines.dict_engine
    await dicts.update(D, [(b"a", b"1"), (b"b", b"2")], if_absent=False)
    await dicts.update("di-2", [(b"a", b"3")], if_absent=False)
    await dicts.clear(D)
    assert await items(dicts) == {} and await items(dicts, "di-2") == {b"a": b"3"}
    assert await dicts.update(D, [], if_absent=False) and not await dicts.contains(D, b"a")


@on_open
async def test_an_entry_expires_seven_days_after_its_last_use(kept, engines):
    dicts = engines.dict_engine
    for key in (b"read", b"written", b"left", b"seen"):
        await put(dicts, key)
    await kept.clock.advance(5 * DAY)
    assert await dicts.get(D, b"read") == b"v"
    assert await dicts.contains(D, b"seen")
    await put(dicts, b"written", b"w")
    assert not await put(dicts, b"left", if_absent=True)  # which is no use of it
    await kept.clock.advance(2 * DAY - 0.5)
    assert await dicts.length(D) == 4
    await kept.clock.advance(0.5)
    assert await dicts.length(D) == 3
    assert not await dicts.contains(D, b"left")
    assert await put(dicts, b"left", b"new", if_absent=True)
    await kept.clock.advance(5 * DAY)
    assert await items(dicts) == {b"left": b"new"}
    await kept.clock.advance(6.5 * DAY)
    assert await dicts.get(D, b"left") == b"new"  # going through the entries was a read


@on_open
async def test_reads_in_short_intervals_count_to_the_moment(kept, engines):
    dicts = engines.dict_engine
    await put(dicts, b"a")
    for _ in range(10):
        await kept.clock.advance(1000.0)
        await dicts.get(D, b"a")
    await kept.clock.advance(7 * DAY - 0.5)
    assert await dicts.length(D) == 1
    await kept.clock.advance(0.5)
    assert await dicts.length(D) == 0 and await dicts.pop(D, b"a") is None


@on_open
async def test_a_clock_that_was_set_back_counts_from_there(kept, engines):
    dicts = engines.dict_engine
    await put(dicts, b"a")
    await put(dicts, b"b")
    kept.clock.set(kept.clock.now() - 30 * DAY)
    await dicts.get(D, b"a")
    await kept.clock.advance(7 * DAY)
    assert await items(dicts) == {b"b": b"v"}


@on_open
async def test_length_counts_no_further_than_modal_does(kept, engines):
    dicts = engines.dict_engine
    await dicts.update(D, [(b"%d" % n, b"") for n in range(50)], if_absent=False)
    assert await dicts.length(D) == 40
    assert len(await items(dicts)) == 50


@on_open
async def test_what_is_too_much_is_refused_as_a_whole(kept, engines):
    dicts = engines.dict_engine
    with pytest.raises(Invalid, match="50 entries"):
        await dicts.update(D, [(b"%d" % n, b"") for n in range(51)], if_absent=False)
    with pytest.raises(TooLarge, match="status = '413'"):
        await dicts.update(D, [(b"a", b""), (b"k", b"x" * 1000)], if_absent=False)
    assert await items(dicts) == {}
    assert await put(dicts, b"k", b"x" * 999)


@on_open
async def test_what_stays_is_seen_whatever_else_goes_and_comes(kept, engines):
    dicts = engines.dict_engine
    await dicts.update(D, [(b"%d" % n, b"") for n in range(9)], if_absent=False)
    seen = []
    async for key, _ in dicts.contents(D):
        if not seen:
            gone = [b"%d" % n for n in range(9) if n % 2 and b"%d" % n != key]
            for other in gone:
                await dicts.pop(D, other)
            await put(dicts, b"new")
        seen.append(key)
    assert {b"%d" % n for n in range(0, 9, 2)} <= {*seen}
    assert len(seen) == len({*seen}) and b"new" not in seen


@on_open
async def test_many_entries_come_and_go(kept, engines):
    dicts = engines.dict_engine
    for first in range(0, 2500, 50):
        entries = [(b"%d" % n, b"%d" % -n) for n in range(first, first + 50)]
        await dicts.update(D, entries, if_absent=False)
    assert await items(dicts) == {b"%d" % n: b"%d" % -n for n in range(2500)}
    await kept.clock.advance(7 * DAY)
    assert await items(dicts) == {} and await dicts.length(D) == 0


def test_whether_a_look_is_a_read_can_be_chosen(kept: Kept) -> None:
    kept.dict_limits = replace(kept.dict_limits, scans_renew=False)

    async def look() -> None:
        async with kept.open() as engines:
            dicts = engines.dict_engine
            await dicts.update(D, [(b"read", b"v"), (b"seen", b"v")], if_absent=False)
            await kept.clock.advance(DAY)
            assert len(await items(dicts)) == 2
            assert await dicts.contains(D, b"seen") and await dicts.get(D, b"read") == b"v"
            await kept.clock.advance(6 * DAY)
            assert await items(dicts) == {b"read": b"v"}

    asyncio.run(look())
