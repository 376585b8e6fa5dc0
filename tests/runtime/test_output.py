"""What containers print, passed on line by line."""

import asyncio
import os

from modal_emulator.runtime.output import Output


def test_lines_are_whole_and_the_rest_follows() -> None:
    async def story() -> None:
        read, write = os.pipe()
        heard: list[bytes] = []
        changed = asyncio.Event()

        def on_text(text: bytes) -> None:
            heard.append(text)
            changed.set()

        output = Output(read, on_text)
        os.write(write, b"one")
        os.write(write, b"\n")
        os.write(write, b"tw")
        while b"".join(heard) != b"one\ntw":
            changed.clear()
            await asyncio.wait_for(changed.wait(), 60)
        assert heard[0] == b"one\n"
        os.write(write, b"o\r 50 %")
        os.close(write)
        output.finish()
        assert b"".join(heard) == b"one\ntwo\r 50 %"

    asyncio.run(story())


def test_a_line_without_an_end_does_not_pile_up() -> None:
    async def story() -> None:
        read, write = os.pipe()
        heard: list[bytes] = []
        output = Output(read, heard.append)
        sent = 0
        for _ in range(40):
            sent += os.write(write, b"x" * 10_000)
            await asyncio.sleep(0)
        assert heard
        os.close(write)
        output.finish()
        assert sum(map(len, heard)) == sent

    asyncio.run(story())
