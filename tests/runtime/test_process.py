"""Containers as processes, in each isolation that this machine allows."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from helpers import descendants, eventually
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime import seccomp
from modal_emulator.runtime.backend import Capability, Exit, Mount
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.outline import FRESH
from yard import Yard


def test_user_code_is_not_process_one_and_sees_only_its_own(mounting: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import os

            print(os.getpid(), sorted(int(name) for name in os.listdir("/proc") if name.isdigit()))

        run = await mounting.run(script)
        assert await run.printed() == "2 [1, 2]"
        assert Capability.OWN_PROCESSES in mounting.backend.offers
        await mounting.close()

    asyncio.run(story())


def test_the_environment_is_the_plans_and_nothing_else(yard: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import os
            import subprocess

            print(sorted(os.environ))
            print(os.environ["SECRET"], os.environ["MODAL_IS_REMOTE"])
            print(subprocess.run(["env"], capture_output=True, text=True).stdout.count("SECRET"))

        run = await yard.run(script, environment={"SECRET": "s3", "PATH": os.environ["PATH"]})
        names, values, count = (await run.printed()).splitlines()
        assert names == str(
            [
                "MODAL_CONTAINER_ARGUMENTS_PATH",
                "MODAL_IS_REMOTE",
                "MODAL_SERVER_URL",
                "PATH",
                "SECRET",
            ]
        )
        assert (values, count) == ("s3 1", "1")
        await yard.close()

    asyncio.run(story())


def test_output_is_complete_and_in_order_before_the_end_is_told(yard: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import os
            import sys

            for number in range(20_000):
                print(number)
            print("no newline", end="")
            print("to stderr", file=sys.stderr)
            os.write(1, b"!")

        run = await yard.run(script)
        said = await run.printed()
        assert said == "\n".join(map(str, range(20_000))) + "\nno newline!"
        assert run.said(2) == "to stderr\n"
        await yard.close()

    asyncio.run(story())


def test_output_comes_as_it_is_written(yard: Yard) -> None:
    async def story() -> None:
        run = await yard.run("import time; print('begun', end=''); time.sleep(60)")
        assert await run.says("begun") == "begun"
        await run.container.kill()
        await yard.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("script", "ended", "complaint"),
    [
        ("", Exit(0), ""),
        ("import sys; sys.exit(3)", Exit(3), ""),
        ("import sys; sys.exit('bad')", Exit(1), "bad\n"),
        ("1/0", Exit(1), "ZeroDivisionError: division by zero\n"),
        ("import os; os._exit(7)", Exit(7), ""),
        ("import os; os.kill(os.getpid(), 9)", Exit(None, 9), ""),
        ("import atexit, os; atexit.register(lambda: os.write(2, b'bye'))", Exit(0), "bye"),
        (
            "import os, threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(0.05), os.write(2, b'late'))).start()",
            Exit(0),
            "late",
        ),
    ],
)
def test_the_end_is_an_interpreters_end(
    yard: Yard, script: str, ended: Exit, complaint: str
) -> None:
    async def story() -> None:
        run = await yard.run(script)
        assert await run.end() == ended
        assert run.said(2).endswith(complaint)
        await yard.close()

    asyncio.run(story())


def test_terminate_interrupts_user_code_in_order(yard: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import time

            try:
                print("waiting")
                time.sleep(60)
            except KeyboardInterrupt:
                print("interrupted")

        run = await yard.run(script)
        await run.says("waiting\n")
        await run.container.terminate()
        assert await run.printed() == "waiting\ninterrupted"
        await run.container.terminate()  # nothing to do any more
        await yard.close()

    asyncio.run(story())


def test_terminate_right_after_the_start_is_not_lost(yard: Yard) -> None:
    async def story() -> None:
        run = await yard.run("import time; time.sleep(60)")
        await run.container.terminate()
        assert (await run.end()).signal == signal.SIGINT
        await yard.close()

    asyncio.run(story())


def test_kill_ends_children_too_and_says_so(yard: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import os
            import subprocess
            import time

            # One that leaves its parent, its session and its group behind.
            subprocess.Popen(["setsid", "sleep", "1234.5"])
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    print("ready")
                    time.sleep(1234)
                os._exit(0)
            os.wait()
            time.sleep(1234)

        run = await yard.run(script)
        await run.says("ready")
        assert len(_of_container()) >= 3
        await run.container.kill()
        assert run.ended.result() == Exit(None, signal.SIGKILL)
        assert _of_container() == set()
        await run.container.kill()  # of what is gone: nothing happens
        await yard.close()

    asyncio.run(story())


def test_processes_left_behind_by_user_code_end_with_it(yard: Yard) -> None:
    async def story() -> None:
        run = await yard.run("import subprocess; subprocess.Popen(['setsid', 'sleep', '1234.5'])")
        assert await run.end() == Exit(0)
        assert _of_container() == set()
        await yard.close()

    asyncio.run(story())


_others: set[int] = set()
"""What other tests have running below this process: their servers, and commands' servers."""


@pytest.fixture(autouse=True)
def others() -> None:
    _others.clear()
    _others.update(descendants(os.getpid()))


def _of_container() -> set[int]:
    """Return the processes below this one but for the zygote and those of other tests."""
    below = descendants(os.getpid()) - _others
    return {pid for pid in below if _parent(pid) != os.getpid()}


def _parent(pid: int) -> int:
    """Return its parent's number; this process's, which counts for nothing, if it has gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return os.getpid()
    return int(status.rpartition(")")[2].split()[1])


def test_what_is_written_outside_a_volume_goes_with_the_container(mounting: Yard) -> None:
    mark = f"runtime-test-{os.getpid()}"
    places = ["/", "/root", "/tmp", "/mnt", "/opt", "/etc", "/usr/local", "/dev/shm"]

    async def story() -> None:
        run = await mounting.run(
            f"""
            import pathlib
            for place in {places}:
                try:
                    pathlib.Path(place, {mark!r}).write_text("x")
                    print(place)
                except PermissionError:
                    pass  # an ordinary user may not write there in any case
            """
        )
        written = (await run.printed()).split()
        assert {"/", "/root", "/tmp", "/dev/shm"} <= set(written)
        assert not [place for place in places if os.path.exists(f"{place}/{mark}")]
        again = await mounting.run(
            f"import os; print([p for p in {places} if os.path.exists(p + '/' + {mark!r})])"
        )
        assert await again.printed() == "[]"
        await mounting.close()

    asyncio.run(story())


def test_home_and_tmp_are_fresh(mounting: Yard) -> None:
    # Python itself may live below either, and is shown then.
    homes = [mounting.directory / "here"]
    if Path.home() in FRESH:  # an ordinary user has a home elsewhere, which is seen
        homes.append(Path.home() / f".runtime-test-{os.getpid()}")

    async def story() -> None:
        for home in homes:
            home.touch()
        run = await mounting.run(
            f"import os; print(list(map(os.path.exists, {list(map(str, homes))})))"
        )
        assert await run.printed() == str([False] * len(homes))
        await mounting.close()

    try:
        asyncio.run(story())
    finally:
        for home in homes:
            home.unlink()


def test_files_are_laid_over_the_root(yard: Yard) -> None:
    top, below = yard.directory / "top", yard.directory / "below"
    for tree, text in ((top, "top"), (below, "below")):
        (tree / "root").mkdir(parents=True)
        (tree / "root" / "app.py").write_text(f"NAME = {text!r}")
        (tree / "assets" / text).mkdir(parents=True)
        (tree / "assets" / text / "a.txt").write_text(text)
    (below / "root" / "other.py").write_text("from app import NAME")
    (below / "etc").mkdir()
    (below / "etc" / "runtime-test.conf").write_text("conf")

    async def story() -> None:
        def script() -> None:
            import os

            import other

            print(other.NAME, other.__file__, sorted(os.listdir("/root")))
            print(open("/assets/top/a.txt").read(), open("/assets/below/a.txt").read())
            print(open("/etc/runtime-test.conf").read(), os.path.exists("/etc/hosts"))
            with open("/root/app.py", "a") as file:
                file.write("# changed")

        run = await yard.run(script, files=(top, below))
        first, second, third = (await run.printed()).splitlines()
        assert first.startswith("top /root/other.py [")
        assert first.endswith("'__pycache__', 'app.py', 'other.py']")
        assert (second, third) == ("top below", "conf True")
        assert "changed" not in (top / "root" / "app.py").read_text()
        assert not Path("/etc/runtime-test.conf").exists()
        await yard.close()

    asyncio.run(story())


def test_the_working_directory_is_made(mounting: Yard) -> None:
    async def story() -> None:
        run = await mounting.run("import os; print(os.getcwd())", working_directory="/made/here")
        assert await run.printed() == "/made/here"
        await mounting.close()

    asyncio.run(story())


def test_the_server_is_reached_by_its_socket(yard: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import os
            import socket

            path = os.environ["MODAL_SERVER_URL"].removeprefix("unix://")
            with socket.socket(socket.AF_UNIX) as end:
                end.connect(path)
            print("connected")

        run = await yard.run(script)
        assert await run.printed() == "connected"
        await yard.close()

    asyncio.run(story())


def test_chance_differs_between_containers(yard: Yard) -> None:
    async def story() -> None:
        script = "import random, uuid, os; print(random.random(), uuid.uuid4(), os.urandom(8))"
        runs = [await yard.run(script) for _ in range(2)]
        first, second = [(await run.printed()).split(None, 2) for run in runs]
        assert not set(first) & set(second)
        await yard.close()

    asyncio.run(story())


def test_a_time_zone_is_followed(yard: Yard) -> None:
    async def story() -> None:
        run = await yard.run(
            "import time; print(time.localtime(0).tm_hour)",
            environment={"TZ": "Asia/Tokyo", "PATH": os.environ["PATH"]},
        )
        assert await run.printed() == "9"
        await yard.close()

    asyncio.run(story())


def test_containers_run_side_by_side(yard: Yard) -> None:
    async def story() -> None:
        script = "import os, pathlib; pathlib.Path('/root/x').write_text('x'); print(os.getpid())"
        runs = await asyncio.gather(*(yard.run(script) for _ in range(5)))
        await asyncio.gather(*(run.printed() for run in runs))
        await yard.close()

    asyncio.run(story())


def test_a_container_that_cannot_be_made_says_why_and_leaves_nothing(yard: Yard) -> None:
    nested = yard.volume().layer()

    async def story() -> None:
        mounts = [
            Mount("vo-1", "/data", nested.view()),
            Mount("vo-2", "/data/inner", nested.view()),
        ]
        with pytest.raises((EmulatorError, ValueError), match="another volume's mount path"):
            await yard.run("", *mounts)
        run = await yard.run("print('fine')")
        assert await run.printed() == "fine"
        await yard.close()
        assert list((yard.directory / "backend").iterdir()) == []

    asyncio.run(story())


def test_the_zygote_may_die(yard: Yard) -> None:
    before = descendants(os.getpid())  # other tests' servers live here, too

    async def story() -> None:
        run = await yard.run("print('up'); import sys, time; time.sleep(60)")
        await run.says("up")
        zygote = yard.backend.zygote
        assert zygote is not None
        os.kill(zygote, signal.SIGKILL)
        after = await yard.run("print('from another one')")
        assert await after.printed() == "from another one"
        await run.container.terminate()
        assert (await run.end()).signal == signal.SIGINT
        await yard.close()
        assert descendants(os.getpid()) <= before

    asyncio.run(story())


def test_a_killed_warden_takes_its_container_along(mounting: Yard) -> None:
    async def story() -> None:
        run = await mounting.run("print('up'); import time; time.sleep(60)")
        await run.says("up")
        (warden,) = [pid for pid in _of_container() if _parent(pid) == mounting.backend.zygote]
        os.kill(warden, signal.SIGKILL)
        assert await run.end() == Exit(None, signal.SIGKILL)
        assert _of_container() == set()
        await mounting.close()

    asyncio.run(story())


def test_a_killed_plain_warden_takes_user_code_along(plain: Yard) -> None:
    async def story() -> None:
        run = await plain.run(
            """
            import subprocess, time
            subprocess.Popen(['sleep', '60'])
            print('up')
            time.sleep(60)
            """
        )
        await run.says("up")
        (warden,) = [pid for pid in _of_container() if _parent(pid) == plain.backend.zygote]
        os.kill(warden, signal.SIGKILL)
        assert await run.end() == Exit(None, signal.SIGKILL)
        assert eventually(lambda: _of_container() == set())
        await plain.close()

    asyncio.run(story())


def test_close_ends_containers_and_removes_their_files(yard: Yard) -> None:
    before = descendants(os.getpid())  # other tests' servers live here, too

    async def story() -> None:
        runs = [await yard.run("import time; time.sleep(60)") for _ in range(2)]
        await yard.close()
        assert [run.ended.result() for run in runs] == [Exit(None, signal.SIGKILL)] * 2
        assert list((yard.directory / "backend").iterdir()) == []
        assert descendants(os.getpid()) <= before

    asyncio.run(story())


def test_leftovers_of_a_killed_server_are_swept(yard: Yard) -> None:
    left = yard.directory / "backend" / "containers" / "ta-old" / "disk" / "work"
    left.mkdir(parents=True)
    left.chmod(0)

    async def story() -> None:
        run = await yard.run("print('new')")
        assert not left.parents[1].exists()
        await run.printed()
        await yard.close()

    asyncio.run(story())


def test_containers_do_not_see_the_servers_files(mounting: Yard) -> None:
    # The state directory is under /tmp here, which is fresh; so look at one that is not.
    place = Path("/var/tmp") / f"runtime-test-{os.getpid()}"
    place.mkdir()
    (place / "ledger").write_text("secret")

    async def story() -> None:
        yard = Yard(place, mounting.isolation)
        run = await yard.run(f"import os; print(os.listdir({str(place / 'backend')!r}))")
        assert await run.printed() == "[]"
        await yard.close()

    try:
        asyncio.run(story())
    finally:
        for path in (place / "ledger", place / "server"):
            path.unlink()
        (place / "backend").rmdir()
        place.rmdir()


def test_what_is_offered_follows_the_isolation(yard: Yard) -> None:
    everything = set(Capability) - {Capability.IMAGES, Capability.LIMITS}
    lost = {Capability.EPHEMERAL_DISK, Capability.REAL_MOUNTS, Capability.OWN_PROCESSES}
    lost |= {Capability.OWN_PORTS, Capability.PROXIES}
    lost |= {Capability.PAUSE, Capability.WATCHED_CALLS}
    is_plain = yard.isolation is Isolation.PLAIN
    assert yard.backend.offers == (everything - lost if is_plain else everything)
    assert bool(yard.backend.notice) == is_plain
    assert "\n" not in yard.backend.notice


def test_a_machine_that_reports_no_calls_says_so(
    mounting: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "table_here", lambda: None)
    watched = {Capability.OWN_PORTS, Capability.WATCHED_CALLS}
    assert not watched & mounting.backend.offers
    assert mounting.backend.notice.endswith("system calls are not known)")
