"""A container that stands still while its volume is away."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from helpers import eventually
from modal_emulator.runtime.backend import Mount, OpenFiles
from modal_emulator.runtime.pausing import Pause
from yard import Yard

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def gate() -> None:
    """Stands for what `scripted` offers to scripts; those run elsewhere."""


class Proc:
    """A /proc that shows chosen processes only."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        (place / "self").symlink_to(str(os.getpid()))

    def show(self, pid: int) -> None:
        (self.place / str(pid)).symlink_to(f"/proc/{pid}")


@pytest.fixture
def proc(tmp_path):
    return Proc(tmp_path / "proc")


@pytest.fixture
def child(proc):
    with subprocess.Popen(SLEEP, stdout=subprocess.PIPE) as process:
        # While it starts it may wait for the disk, and then it cannot be stopped.
        assert process.stdout is not None and process.stdout.readline()
        proc.show(process.pid)
        yield process.pid
        process.kill()


def test_everything_stands_still_until_the_last_reason_is_gone(proc, child):
    pause = Pause(proc.place)
    assert pause.begin("one") and pause.begin("two")
    assert state(child) == "T"
    pause.end("one")
    pause.end("unknown")
    assert state(child) == "T"
    pause.end("two")
    assert eventually(lambda: state(child) != "T")


def test_what_was_stopped_before_stays_so(proc, child):
    os.kill(child, signal.SIGSTOP)
    assert eventually(lambda: state(child) == "T")
    pause = Pause(proc.place)
    assert pause.begin("one")
    pause.end("one")
    assert state(child) == "T"


def test_a_process_that_cannot_be_stopped_lets_all_go_on(proc, child):
    stuck = proc.place / "4194000" / "task" / "4194000"
    stuck.mkdir(parents=True)
    (stuck / "stat").write_text("4194000 (a) b) D 1 1")
    assert not Pause(proc.place).begin("one")
    assert eventually(lambda: state(child) != "T")
    (stuck / "stat").write_text("4194000 (a) b) Z 1 1")
    assert Pause(proc.place).begin("one")


def test_the_proc_of_others_is_left_alone(proc, child):
    (proc.place / "self").unlink()
    assert not Pause(proc.place).begin("one")
    (proc.place / "self").symlink_to("1")
    assert not Pause(proc.place).begin("one")
    assert state(child) != "T"


def test_nobody_sees_that_a_volume_is_away(mounting: Yard) -> None:
    volume = mounting.volume().layer(a_txt="a")

    async def story() -> None:
        def script() -> None:
            import os
            import subprocess
            import sys
            import threading

            missing = []

            def watch() -> None:
                while not os.path.exists("/tmp/stop"):
                    if not os.path.exists("/data/a.txt"):
                        missing.append(1)

            threads = [threading.Thread(target=watch) for _ in range(3)]
            for thread in threads:
                thread.start()
            look = "import os\nwhile not os.path.exists('/tmp/stop'): os.stat('/data/a.txt')"
            other = subprocess.Popen([sys.executable, "-c", look])
            gate()
            open("/tmp/stop", "w").close()
            for thread in threads:
                thread.join()
            print(other.wait(), len(missing), os.listdir("/data"))

        before, after = volume.view(), volume.layer(b_txt="b").view()
        run = await mounting.run(script, Mount("vo-1", "/data", before))
        end = await mounting.meet()
        paused = 0
        while paused < 20:
            with suppress(OpenFiles):  # some process was just looking
                await run.container.detach("vo-1", pausing=True)
                await run.container.attach("vo-1", after if paused == 19 else before)
                paused += 1
        end.close()
        assert await run.printed() == "0 0 ['a.txt', 'b.txt']"
        await mounting.close()

    asyncio.run(story())


def test_a_held_volume_is_not_taken_and_all_go_on(mounting: Yard) -> None:
    volume = mounting.volume().layer(a_txt="a")

    async def story() -> None:
        def script() -> None:
            held = open("/data/a.txt")
            gate()
            print(held.read())

        run = await mounting.run(script, Mount("vo-1", "/data", volume.view()))
        end = await mounting.meet()
        with pytest.raises(OpenFiles):
            await run.container.detach("vo-1", pausing=True)
        end.close()
        assert await run.printed() == "a"
        await mounting.close()

    asyncio.run(story())


def test_a_killed_container_does_not_stand_still_forever(mounting: Yard) -> None:
    async def story() -> None:
        view = mounting.volume().view()
        run = await mounting.run("gate()", Mount("vo-1", "/data", view))
        end = await mounting.meet()
        await run.container.detach("vo-1", pausing=True)
        await run.container.kill()
        assert (await run.end()).signal == signal.SIGKILL
        end.close()
        await mounting.close()

    asyncio.run(story())
