"""Commands beside what runs in a container of processes."""

import asyncio
import hashlib
import os
import signal
from collections.abc import Coroutine
from typing import Any

import pytest

from modal_emulator.ground.errors import Conflict, EmulatorError
from modal_emulator.runtime.backend import Exit, Mount, OpenFiles
from yard import Run, Yard

IDLE = "import time; print('up', flush=True); time.sleep(600)"
MANY = 3 << 20


def within(yard: Yard, story: Coroutine[Any, Any, None]) -> None:
    async def whole() -> None:
        try:
            await story
        finally:
            await yard.close()

    asyncio.run(whole())


async def idle(yard: Yard, *mounts: Mount, **options: Any) -> Run:
    run = await yard.run(IDLE, *mounts, **options)
    await run.says("up")
    return run


def test_it_sees_what_the_container_sees(yard: Yard) -> None:
    async def story() -> None:
        environment = {"PATH": os.environ["PATH"], "HERE": "container", "HOME": "/root"}
        run = await idle(yard, environment=environment)
        shown = await run.execute(
            "sh", "-c", 'echo "$HERE $MORE"; pwd; echo err >&2; exit 3', environment={"MORE": "m"}
        )
        assert await shown.end() == Exit(3)
        first, directory, _ = shown.said[1].split(b"\n")
        assert (first, shown.said[2]) == (b"container m", b"err\n")
        assert directory.endswith(b"/root")
        elsewhere = await run.execute("pwd", working_directory="/usr")
        assert (await elsewhere.end(), elsewhere.said[1]) == (Exit(0), b"/usr\n")

    within(yard, story())


def test_its_files_are_those_of_the_container(mounting: Yard) -> None:
    async def story() -> None:
        volume = mounting.volume().layer(a_txt="from the volume")
        run = await idle(mounting, Mount("vo-1", "/data", volume.view()))
        shown = await run.execute("sh", "-c", "cat /data/a.txt; echo b > /data/b; ps -e | wc -l")
        assert await shown.end() == Exit(0)
        assert shown.said[1].startswith(b"from the volume")
        script = await run.execute("cat", "/data/b")
        assert (await script.end(), script.said[1]) == (Exit(0), b"b\n")

    within(mounting, story())


def test_input_and_output_of_many_bytes(yard: Yard) -> None:
    async def story() -> None:
        run = await idle(yard)
        echo = await run.execute("cat")
        given = os.urandom(MANY)  # most of it is no text in any encoding
        await echo.execution.write(given)
        await echo.execution.close_input()
        assert await echo.end() == Exit(0)
        assert hashlib.sha256(echo.said[1]).digest() == hashlib.sha256(given).digest()
        with pytest.raises(BrokenPipeError):
            await echo.execution.write(b"late")
        await echo.execution.signal(signal.SIGTERM)  # nothing to do

    within(yard, story())


def test_who_cannot_keep_up_makes_it_wait(yard: Yard) -> None:
    async def story() -> None:
        run = await idle(yard)
        busy = await run.execute("sh", "-c", f"head -c {MANY} /dev/zero; echo done >&2")
        busy.execution.hold(held=True)
        heard = len(busy.said[1])
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert len(busy.said[1]) == heard
        assert not busy.ended.done()
        busy.execution.hold(held=False)
        assert await busy.end() == Exit(0)
        assert len(busy.said[1]) == MANY

    within(yard, story())


def test_a_terminal(yard: Yard) -> None:
    async def story() -> None:
        run = await idle(yard)
        shell = await run.execute(
            "sh",
            "-c",
            "stty size; trap 'stty size' WINCH; tty > /dev/tty\n"
            "while ! read line; do :; done; echo got $line",
            terminal=(33, 77),
        )
        await shell.says(b"33 77\r\n/dev/pts/")
        await shell.execution.resize(44, 88)
        await shell.execution.write(b"words\n")
        assert await shell.end() == Exit(0)
        assert b"44 88" in shell.said[1]
        assert b"got words" in shell.said[1]
        assert shell.said[2] == b""
        reader = await run.execute("cat", terminal=(24, 80))
        await reader.execution.write(b"x\n")
        await reader.execution.close_input()
        assert await reader.end() == Exit(0)
        breakable = await run.execute("sleep", "60", terminal=(24, 80))
        await breakable.execution.write(b"\x03")
        assert await breakable.end() == Exit(None, signal.SIGINT)

    within(yard, story())


def test_what_cannot_be_started_says_why(yard: Yard) -> None:
    async def story() -> None:
        run = await idle(yard)
        with pytest.raises(Conflict, match=r"^no-such-program: No such file or directory$"):
            await run.execute("no-such-program")
        with pytest.raises(Conflict, match=r"^enter /nowhere: No such file or directory$"):
            await run.execute("true", working_directory="/nowhere")
        fine = await run.execute("true")
        assert await fine.end() == Exit(0)

    within(yard, story())


def test_signals_and_the_end_of_the_container(yard: Yard) -> None:
    async def story() -> None:
        run = await idle(yard)
        doomed = await run.execute("sh", "-c", "echo on; sleep 60; true")
        await doomed.says(b"on")
        await doomed.execution.signal(signal.SIGKILL)
        assert await doomed.end() == Exit(None, signal.SIGKILL)
        other = await run.execute("sh", "-c", "echo on; sleep 60; true")
        await other.says(b"on")
        await run.container.kill()
        assert other.ended.done()
        assert await other.end() == Exit(None, signal.SIGKILL)
        with pytest.raises(EmulatorError, match="has ended"):
            await run.execute("true")

    within(yard, story())


def test_it_holds_what_it_uses(yard: Yard) -> None:
    async def story() -> None:
        volume = yard.volume().layer(a_txt="one")
        run = await idle(yard, Mount("vo-1", "/data", volume.view()))
        shell = await run.execute("sh", "-c", "echo in; cat", working_directory="/data")
        await shell.says(b"in")
        with pytest.raises(OpenFiles):
            await run.container.detach("vo-1")
        await shell.execution.close_input()
        assert await shell.end() == Exit(0)
        await run.container.detach("vo-1")
        await run.container.attach("vo-1", volume.view())
        again = await run.execute("cat", "/data/a.txt")
        assert (await again.end(), again.said[1]) == (Exit(0), b"one")

    within(yard, story())


def test_a_container_with_nothing_in_it(yard: Yard) -> None:
    async def story() -> None:
        run = await yard.run("", bare=True)
        alone = await run.execute(
            "sh", "-c", 'echo "$MODAL_SERVER_URL"; test -e /__modal/server.sock'
        )
        assert await alone.end() == Exit(1)
        assert alone.said[1] == b"\n"
        left = await run.execute("sh", "-c", "sleep 60 & echo left")
        assert await left.end() == Exit(0)
        assert left.said[1] == b"left\n"
        await run.container.kill()
        assert await run.end() == Exit(None, signal.SIGKILL)

    within(yard, story())


def test_the_volume_answers_it_as_it_does_the_main_process(mounting: Yard) -> None:
    synced: list[str] = []

    async def sync(volume_id: str) -> None:
        synced.append(volume_id)

    async def story() -> None:
        first, second = mounting.volume("one").layer(a="1"), mounting.volume("two").layer(b="2")
        run = await mounting.run(
            IDLE,
            Mount("vo-1", "/one", first.view(version=1)),
            Mount("vo-2", "/two", second.view(version=2)),
            on_sync=sync,
        )
        await run.says("up")
        linked = await run.execute("ln", "/one/a", "/one/b")
        assert await linked.end() == Exit(1)
        assert b"Operation not permitted" in linked.said[2]
        stored = await run.execute("sync", "/two")
        assert await stored.end() == Exit(0)
        assert synced == ["vo-2"]

    within(mounting, story())


def test_nothing_of_the_warden_is_open_in_it(mounting: Yard) -> None:
    async def story() -> None:
        run = await idle(mounting)
        seen = await run.execute("ls", "/proc/self/fd")
        assert await seen.end() == Exit(0)
        assert seen.said[1].split() == [b"0", b"1", b"2", b"3"]  # the last is its own

    within(mounting, story())
