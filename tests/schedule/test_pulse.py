import asyncio

from modal_emulator.schedule.pulse import Pulse


def test_wakes_all_in_the_order_in_which_they_began_to_wait() -> None:
    """Else the same test would give an input now to one idle container and now to another."""

    async def story() -> list[int]:
        pulse, woken = Pulse(), list[int]()

        async def wait(number: int) -> None:
            assert await pulse.wait()
            woken.append(number)

        waiting = [asyncio.ensure_future(wait(number)) for number in range(50)]
        await asyncio.sleep(0)
        pulse.beat()
        await asyncio.gather(*waiting)
        return woken

    assert asyncio.run(story()) == list(range(50))


def test_the_next_beat_counts_from_where_it_is_asked_for() -> None:
    """A task that waits would miss one that comes before its first turn."""

    async def story() -> None:
        pulse = Pulse()
        beat, given_up = pulse.next(), pulse.next()
        given_up.cancel()
        pulse.beat()
        assert await beat

    asyncio.run(story())
