"""The end of a container when its server is killed without a word."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from helpers import command_line, descendants, eventually
from yard import Yard

SERVER = """
import asyncio, sys
from pathlib import Path
from modal_emulator.runtime.backend import Mount
from modal_emulator.runtime.job import Isolation
from yard import Yard

CHILDREN = '''
import os, subprocess, time
subprocess.Popen(["setsid", "sleep", "4321"])
if os.fork() == 0:
    os.setsid()
print("up")
time.sleep(4321)
'''

async def main():
    yard = Yard(Path(sys.argv[1]), Isolation(sys.argv[2]))
    for number in range(2):
        volume = yard.volume(f"volume-{number}").layer(a_txt="a")
        run = await yard.run(CHILDREN, Mount("vo-1", "/data", volume.view()))
        await run.says("up")
    print("ready", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def start(yard: Yard) -> "subprocess.Popen[str]":
    assert yard.isolation is not None
    tests = str(Path(__file__).parents[1])
    place = yard.directory / "other"
    place.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(place), yard.isolation.value],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server


def test_a_killed_server_leaves_no_process_and_no_mount(yard: Yard) -> None:
    server = start(yard)
    below = descendants(server.pid)
    assert len(below) > 6  # zygote, wardens, user code and its children
    server.kill()
    server.communicate()
    assert eventually(lambda: not any(command_line(pid) for pid in below))
    assert str(yard.directory) not in Path("/proc/self/mountinfo").read_text()


def test_containers_of_a_killed_server_are_swept_by_the_next(yard: Yard) -> None:
    server = start(yard)
    below = descendants(server.pid)
    server.kill()
    server.communicate()
    eventually(lambda: not any(command_line(pid) for pid in below))
    left = yard.directory / "other" / "backend"
    assert len(list((left / "containers").iterdir())) == 2
    (yard.directory / "other" / "server").unlink()

    async def story() -> None:
        after = Yard(yard.directory / "other", yard.isolation)
        await (await after.run("")).printed()
        await after.close()

    import asyncio

    asyncio.run(story())
    assert list(left.iterdir()) == []


def test_an_interrupt_from_the_terminal_does_not_reach_containers(yard: Yard) -> None:
    server = start(yard)
    (zygote,) = [pid for pid in descendants(server.pid) if parent(pid) == server.pid]
    assert os.getsid(zygote) != os.getsid(server.pid)
    server.send_signal(signal.SIGKILL)
    server.communicate()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
