"""What a program wrote, kept for readers that come when they like."""

import asyncio

from modal_emulator.schedule import tape
from modal_emulator.schedule.tape import Tape


def test_it_is_read_from_any_byte(monkeypatch) -> None:
    monkeypatch.setattr(tape, "_IN_MEMORY", 8)

    async def story() -> None:
        written = Tape()
        assert written.read(0, 10) == b""
        written.append(b"some words")
        written.append(b" and more")
        assert written.read(0, 4) == b"some"
        assert written.read(5, 100) == b"words and more"
        assert written.read(3, 4) == b"e wo"
        assert (written.length, written.read_to) == (19, 19)
        assert written.read(19, 5) == written.read(100, 5) == b""
        assert not written.ended
        written.forget()
        written.append(b"late")
        assert written.ended
        assert written.read(0, 4) == b""

    asyncio.run(story())


def test_who_waits_hears_of_news_and_of_the_end() -> None:
    async def story() -> None:
        written = Tape()
        waiting = asyncio.ensure_future(written.pulse.wait())
        await asyncio.sleep(0)
        written.append(b"x")
        await waiting
        waiting = asyncio.ensure_future(written.pulse.wait())
        await asyncio.sleep(0)
        written.end()
        await waiting

    asyncio.run(story())
