"""The clock that tests own."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.ground.clock import coarse_ns, machine_time
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.virtual import LATEST, Mode, VirtualClock

START = 1_700_000_000.0


def play(body: Callable[[VirtualClock], Awaitable[None]]) -> None:
    async def played() -> None:
        await asyncio.wait_for(body(VirtualClock()), 100)

    asyncio.run(played())


def test_it_begins_with_the_machines_time():
    clock = VirtualClock()
    before = machine_time()
    assert before <= clock.now() <= machine_time()
    assert clock.mode is Mode.REAL


def test_it_stands_where_it_is_set():
    clock = VirtualClock()
    clock.set(START)
    assert clock.now() == START == clock.now()
    assert clock.mode is Mode.FROZEN


def test_it_runs_from_where_it_is_set_and_faster():
    clock = VirtualClock()
    clock.set(START, rate=1)
    assert clock.mode is Mode.OFFSET
    assert START <= clock.now() < START + 1000
    clock.set(START, rate=1e6)
    assert clock.mode is Mode.ACCELERATED
    while clock.now() < START + 1000:
        pass
    clock.resume()
    assert clock.mode is Mode.REAL


@pytest.mark.parametrize("at", [-1.0, LATEST + 1, float("nan"), float("inf")])
def test_no_instant_that_cannot_be_said(at: float):
    with pytest.raises(Invalid, match="no instant"):
        VirtualClock().set(at)


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_no_rate_that_is_none(rate: float):
    with pytest.raises(Invalid, match="no rate"):
        VirtualClock().set(START, rate)


@given(st.lists(st.floats(0, 1000), max_size=20), st.floats(0, 1000))
def test_travel_wakes_each_at_its_own_instant_in_order(spans: list[float], far: float):
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        woken: list[tuple[float, int]] = []

        async def sleep(number: int, span: float) -> None:
            await clock.sleep(span)
            woken.append((clock.now(), number))

        sleepers = [asyncio.ensure_future(sleep(n, s)) for n, s in enumerate(spans)]
        await asyncio.sleep(0)
        await clock.travel(START + far)
        due = sorted(
            (START + span, n) for n, span in enumerate(spans) if START + span <= START + far
        )
        assert sorted(woken) == due
        assert [at for at, _ in woken] == [at for at, _ in due]
        assert clock.now() == START + far
        for sleeper in sleepers:
            sleeper.cancel()
        await asyncio.gather(*sleepers, return_exceptions=True)

    play(body)


def test_what_is_set_off_is_over_before_the_next_one_wakes():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        story: list[str] = []
        pending: list[asyncio.Task[None]] = []

        async def settled() -> None:
            await asyncio.gather(*pending)

        async def work(name: str) -> None:
            for step in range(5):
                await asyncio.sleep(0)
                story.append(f"{name}{step}")

        clock.settle_with(settled)
        for name in "ab":
            clock.after(1, lambda name=name: pending.append(asyncio.ensure_future(work(name))))
        await clock.travel(START + 1)
        assert story == [f"{name}{step}" for name in "ab" for step in range(5)]

    play(body)


def test_who_is_woken_may_lie_down_again_on_the_way():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        seen: list[float] = []

        def tick() -> None:
            seen.append(clock.now() - START)
            clock.after(10, tick)

        clock.after(10, tick)
        await clock.travel(START + 35)
        assert seen == [10, 20, 30]

    play(body)


def test_travel_ends_early_when_asked():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        seen: list[float] = []
        for span in (1, 2, 3):
            clock.after(span, lambda: seen.append(clock.now()))
        await clock.travel(START + 10, lambda: len(seen) == 2)
        assert clock.now() == START + 2

    play(body)


def test_setting_keeps_spans_and_tells_who_follows_instants():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        told: list[float] = []
        clock.on_set(lambda: told.append(clock.now()))
        seen: list[str] = []
        clock.after(10, lambda: seen.append("span"))
        until = asyncio.ensure_future(clock.sleep_until(START + 10))
        await asyncio.sleep(0)
        clock.set(START + 1000)
        assert told == [START + 1000]
        assert seen == []
        await until  # its instant has gone by
        await clock.travel(START + 1010)
        assert seen == ["span"]

    play(body)


def test_a_running_clock_wakes_by_itself():
    async def body(clock: VirtualClock) -> None:
        clock.set(START, rate=1000)
        await clock.sleep(5)
        assert clock.now() >= START + 5
        clock.resume()
        await clock.sleep(0.01)

    play(body)


def test_sleepers_of_a_clock_that_stands_go_on_when_it_runs():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        sleeping = asyncio.ensure_future(clock.sleep(3600))
        await asyncio.sleep(0)
        clock.set(rate=1e6)
        await sleeping

    play(body)


def test_travel_goes_forward_only():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        with pytest.raises(Invalid, match="time goes forward"):
            await clock.travel(START - 1)

    play(body)


def test_it_cannot_be_set_on_the_way():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        refused: list[str] = []

        def set_it() -> None:
            with pytest.raises(Invalid) as info:
                clock.set(START)
            refused.append(str(info.value))

        clock.after(1, set_it)
        await clock.travel(START + 1)
        assert "being moved" in refused[0]

    play(body)


def test_many_that_do_not_come_leave_nothing_behind():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        for _ in range(10_000):
            clock.after(300, lambda: None).cancel()
        assert len(clock._waiters) < 300

    play(body)


def test_no_jump_takes_clients_along():
    async def body(clock: VirtualClock) -> None:
        before = clock.lived()
        clock.set(START)
        await clock.travel(START + 1e6)
        clock.set(START, rate=1e6)
        assert clock.lived() - before < 1000

    play(body)


def test_stamps_of_files_are_read_as_the_instant_of_writing():
    clock = VirtualClock()
    old = coarse_ns() - 10**12
    while_real = coarse_ns()
    clock.set(START)
    assert clock.stamp_to_virtual(old) == old
    frozen = coarse_ns()
    assert clock.stamp_to_virtual(frozen) == START * 1e9
    assert clock.stamp_to_virtual(frozen + 10**12) == frozen + 10**12  # somebody's own
    while coarse_ns() == frozen:
        pass
    clock.resume()
    assert clock.stamp_to_virtual(coarse_ns()) > while_real
    assert clock.stamp_to_virtual(frozen) == START * 1e9


def test_who_sets_it_waits_for_a_jump_of_its_own_to_land():
    async def body(clock: VirtualClock) -> None:
        clock.set(START)
        story: list[str] = []

        async def settled() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        clock.settle_with(settled)
        clock.after(1, lambda: story.append("woke"))
        clock.after(2, lambda: story.append("too far"))
        jump = asyncio.ensure_future(clock.jump(START + 5))
        await asyncio.sleep(0)
        assert clock.travelling
        await clock.landed()
        clock.set(START + 100)
        assert story == ["woke"]
        assert jump.done()

    play(body)
