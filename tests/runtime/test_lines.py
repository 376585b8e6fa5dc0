"""Messages with open files beside them."""

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Any

from modal_emulator.runtime.lines import Line, Message, Peer


def test_messages_pass_both_ways_with_files() -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        got: list[tuple[Message, int]] = []
        ended = asyncio.Event()

        def on_message(message: Message, files: Sequence[int]) -> None:
            got.append((message, len(files)))
            for file in files:
                os.close(file)

        line, peer = Line(ours, on_message, ended.set), Peer(theirs)
        read, write = os.pipe()
        await line.send({"n": 1, "text": "zwei\n"}, [write])
        assert peer.receive() == {"n": 1, "text": "zwei\n"}
        os.write(peer.files.pop(), b"x")
        assert os.read(read, 1) == b"x"
        peer.send({"a": 1}, [read])
        peer.send({"b": 2})
        peer.close()
        await asyncio.wait_for(ended.wait(), 60)
        assert got == [({"a": 1}, 1), ({"b": 2}, 0)]
        os.close(read)
        os.close(write)

    asyncio.run(story())


def test_large_messages_arrive_whole() -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        line, peer = Line(ours, lambda *_: None, lambda: None), Peer(theirs)
        large = {"environment": {f"NAME_{n}": "x" * 32_000 for n in range(100)}}
        received = asyncio.get_running_loop().run_in_executor(None, peer.receive)
        await line.send(large)
        assert await received == large
        line.close()
        assert peer.receive() is None

    asyncio.run(story())


def test_messages_in_one_piece_come_one_by_one() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(b'{"a": 1}\n{"b": 2}\n{"c"')
    peer = Peer(theirs)
    assert peer.receive() == {"a": 1}
    assert peer.has_more
    assert peer.receive() == {"b": 2}
    assert not peer.has_more
    ours.sendall(b": 3}\n")
    ours.close()
    assert peer.receive() == {"c": 3}
    assert peer.receive() is None


def test_sending_on_a_closed_line_says_so() -> None:
    async def story() -> Any:
        ours, theirs = socket.socketpair()
        line = Line(ours, lambda *_: None, lambda: None)
        line.close()
        theirs.close()
        try:
            await line.send({})
        except ConnectionError as error:
            return error
        return None

    assert asyncio.run(story()) is not None
