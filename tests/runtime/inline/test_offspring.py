"""Programs that code in a thread container starts."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from helpers import command_line, descendants
from modal_emulator.runtime.backend import Exit
from threadyard import Stage, ThreadYard

SCRIPT = "echo $SECRET $OUTSIDE; echo bad >&2"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "SECRET": "s3"}


def with_run() -> None:
    subprocess.run(["sh", "-c", SCRIPT], check=True)


def with_run_and_files() -> None:
    subprocess.run(SCRIPT, shell=True, check=True, stdout=sys.stdout, stderr=sys.stderr)


def with_posix_spawn_inside() -> None:
    subprocess.run(["/bin/sh", "-c", SCRIPT], check=True, close_fds=False)


def with_system() -> None:
    assert os.system(SCRIPT) == 0
    assert os.waitstatus_to_exitcode(os.system("exit 3")) == 3


def with_spawn() -> None:
    assert os.spawnvp(os.P_WAIT, "sh", ["sh", "-c", SCRIPT]) == 0


def with_posix_spawn() -> None:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", SCRIPT], os.environ)
    assert os.waitpid(pid, 0)[1] == 0


def with_popen() -> None:
    with os.popen(f"({SCRIPT})") as output:
        sys.stdout.write(output.read())


def with_asyncio() -> None:
    async def run() -> None:
        process = await asyncio.create_subprocess_exec("sh", "-c", SCRIPT)
        assert await process.wait() == 0

    asyncio.run(run())


def say() -> None:
    print(os.environ["SECRET"], flush=True)
    print("bad", file=sys.stderr, flush=True)


def with_fork() -> None:
    process = multiprocessing.get_context("fork").Process(target=say)
    process.start()
    process.join()
    assert process.exitcode == 0


def with_spawned_python() -> None:
    code = "import os, sys; print(os.environ['SECRET']); print('bad', file=sys.stderr)"
    command = [sys.executable, "-c", code]
    pid = multiprocessing.util.spawnv_passfds(sys.executable.encode(), command, [])
    assert os.waitpid(pid, 0)[1] == 0  # of this program: the process may have other children


WAYS = [
    with_run,
    with_run_and_files,
    with_posix_spawn_inside,
    with_system,
    with_spawn,
    with_posix_spawn,
    with_popen,
    with_asyncio,
    with_fork,
    with_spawned_python,
]


@pytest.mark.parametrize("way", WAYS)
def test_programs_have_the_containers_environment_and_output(
    yard: ThreadYard, way: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTSIDE", "1")

    async def story() -> None:
        run = await yard.run(way, environment=ENVIRONMENT)
        await run.result()
        assert (run.said(1).strip(), run.said(2)) == ("s3", "bad\n")
        await yard.close()

    asyncio.run(story())


def test_prints_and_programs_speak_in_order(yard: ThreadYard) -> None:
    def speak() -> None:
        for number in range(20):
            print(f"print {number}")
            subprocess.run(["echo", "program", str(number)], check=True)

    async def story() -> None:
        run = await yard.run(speak)
        await run.result()
        expected = [f"{who} {number}" for number in range(20) for who in ("print", "program")]
        assert run.said().splitlines() == expected
        await yard.close()

    asyncio.run(story())


def test_what_is_given_explicitly_is_kept(yard: ThreadYard) -> None:
    def ask() -> Any:
        done = subprocess.run(["env"], env={"A": "b"}, capture_output=True, check=True)
        return done.stdout, done.stderr

    async def story() -> None:
        assert await yard.call(ask) == (b"A=b\n", b"")
        await yard.close()

    asyncio.run(story())


def test_programs_end_with_their_container(yard: ThreadYard) -> None:
    before = set(descendants(os.getpid()))

    def leave() -> int:
        subprocess.Popen(["sleep", "1000"])
        # Nobody's child any more: only the files that it sees tell whose it is.
        script = "setsid sleep 1000 > /dev/null 2>&1 & echo $!"
        return int(subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout)

    async def story() -> None:
        run = await yard.run(leave)
        strayed = await run.result()
        assert set(descendants(os.getpid())) <= before
        assert not command_line(strayed)
        await yard.close()

    asyncio.run(story())


def test_programs_of_a_killed_container_end(yard: ThreadYard) -> None:
    stage, started = Stage(), []

    def leave() -> None:
        started.append(subprocess.Popen(["sleep", "1000"]))
        stage.stop()

    async def story() -> None:
        run = await yard.run(leave)
        await stage.reached()
        await run.container.kill()
        assert await run.end() == Exit(None, 9)
        assert started[0].pid not in descendants(os.getpid())
        stage.go_on()
        await yard.close()

    asyncio.run(story())


def test_who_waits_for_a_program_is_killed_before_it(
    yard: ThreadYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a shell could see the end of its command, and exit with that before it is killed."""
    stage, killed, kill = Stage(), list[int](), os.kill
    shells = list[subprocess.Popen[bytes]]()

    def note(pid: int, number: int) -> None:
        killed.append(pid)
        kill(pid, number)

    def leave() -> None:
        for _ in range(8):
            shells.append(subprocess.Popen(["sh", "-c", "sleep 1000 & echo; wait"], stdout=-1))
            assert shells[-1].stdout is not None and shells[-1].stdout.readline()
        stage.stop()

    async def story() -> None:
        run = await yard.run(leave)
        await stage.reached()
        monkeypatch.setattr(os, "kill", note)
        await run.container.kill()
        assert set(killed[:8]) == {shell.pid for shell in shells} and len(killed) >= 16
        stage.go_on()
        await yard.close()

    asyncio.run(story())


def test_the_test_process_becomes_no_other_program(yard: ThreadYard) -> None:
    def become() -> None:
        with pytest.raises(RuntimeError, match=r"os\.execv\(\) .*use runtime='process'"):
            os.execl("/bin/true", "true")
        with pytest.raises(RuntimeError, match=r"os\.execve\(\) "):
            os.execlpe("true", "true", {})
        assert os.spawnve(os.P_WAIT, "/bin/sh", ["sh", "-c", "exit $N"], {"N": "3"}) == 3

    async def story() -> None:
        await yard.call(become)
        await yard.close()

    asyncio.run(story())
