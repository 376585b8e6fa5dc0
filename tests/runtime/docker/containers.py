"""
Containers as Docker makes them.

Needs Docker's daemon, so it is a check of its own (`tox -e docker`).
"""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.backend import Exit, Limits, Mount, OpenFiles, Plan
from modal_emulator.runtime.docker.daemon import LABEL
from modal_emulator.runtime.docker.facts import Facts
from modal_emulator.runtime.job import Job
from runtime.docker.docker_yard import DockerYard, docker
from runtime.test_executing import (  # noqa: F401
    idle,
    test_a_container_with_nothing_in_it,
    test_input_and_output_of_many_bytes,
    test_it_holds_what_it_uses,
    test_it_sees_what_the_container_sees,
    test_signals_and_the_end_of_the_container,
    test_what_cannot_be_started_says_why,
)
from runtime.test_process import (  # noqa: F401  (what holds of processes holds here)
    test_a_container_that_cannot_be_made_says_why_and_leaves_nothing,
    test_files_are_laid_over_the_root,
    test_leftovers_of_a_killed_server_are_swept,
    test_output_comes_as_it_is_written,
    test_output_is_complete_and_in_order_before_the_end_is_told,
    test_terminate_interrupts_user_code_in_order,
    test_terminate_right_after_the_start_is_not_lost,
    test_the_end_is_an_interpreters_end,
    test_the_server_is_reached_by_its_socket,
)
from runtime.test_sight_line import (  # noqa: F401
    test_attention_may_change_while_code_runs,
    test_one_that_is_killed_while_it_is_held_is_gone,
    test_what_children_do_is_told_in_order_and_what_programs_do_is_not,
    test_whoever_holds_can_let_it_fail,
)


def test_volumes_are_copied_and_what_changed_is_found(yard: DockerYard) -> None:
    volume = yard.volume().layer(a_txt="old", b_txt="gone")
    view = volume.view()

    async def story() -> None:
        def script() -> None:
            import os

            print(os.path.realpath("/data"), open("/data/a.txt").read())
            with open("/data/new.txt", "w") as file:
                file.write("new")
            os.remove("/data/b.txt")
            gate()  # type: ignore[name-defined]  # noqa: F821

        run = await yard.run(script, Mount("vo-1", "/data", view))
        door = await yard.meet()
        await run.container.collect("vo-1")
        assert (view.changes / "new.txt").read_text() == "new"
        assert (view.changes / "b.txt").is_char_device()
        assert not (view.changes / "a.txt").exists()
        door.close()
        assert await run.printed() == "/__modal/volumes/vo-1 old"
        await yard.close()

    asyncio.run(story())


def test_an_ordinary_user_can_read_what_root_wrote(
    yard: DockerYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = yard.volume().view()
    make = yard.backend._make

    def hand_over(plan: Plan, job: Job, facts: Facts) -> object:
        os.chown(job.directory / "modal", 1234, 1234)
        return make(plan, job, facts)

    monkeypatch.setattr(yard.backend, "_make", hand_over)

    async def story() -> None:
        def script() -> None:
            import os

            os.mkdir("/data/closed", 0)
            os.close(os.open("/data/secret", os.O_CREAT, 0))
            gate()  # type: ignore[name-defined]  # noqa: F821

        run = await yard.run(script, Mount("vo-1", "/data", view))
        door = await yard.meet()
        monkeypatch.setattr(os, "getuid", lambda: 1234)
        await run.container.collect("vo-1")
        monkeypatch.undo()
        place = yard.directory / "backend/containers/ta-1/modal/volumes/vo-1"
        for name, mode in (("closed", 0o40700), ("secret", 0o100000)):
            found = (place / name).lstat()
            assert (found.st_uid, found.st_mode) == (1234, mode)
        door.close()
        await run.end()
        await yard.close()

    asyncio.run(story())


def test_a_volume_that_is_held_stays(yard: DockerYard) -> None:
    volume = yard.volume().layer(a_txt="old")

    async def story() -> None:
        def script() -> None:
            import os
            import subprocess

            child = subprocess.Popen(["sleep", "60"], cwd="/data")
            gate()  # type: ignore[name-defined]  # noqa: F821
            child.kill()
            child.wait()
            print(os.listdir("/data"))
            gate()  # type: ignore[name-defined]  # noqa: F821
            gate()  # type: ignore[name-defined]  # noqa: F821
            print(open("/data/a.txt").read())

        run = await yard.run(script, Mount("vo-1", "/data", volume.view()))
        door = await yard.meet()
        with pytest.raises(OpenFiles):
            await run.container.detach("vo-1")
        door.close()
        door = await yard.meet()
        assert run.said() == "['a.txt']\n"
        await run.container.detach("vo-1")
        await run.container.attach("vo-1", volume.layer(a_txt="new").view())
        door.close()
        (await yard.meet()).close()
        assert (await run.printed()).endswith("\nnew")
        await yard.close()

    asyncio.run(story())


def test_a_read_only_volume_takes_nothing_and_can_be_shown_anew(yard: DockerYard) -> None:
    volume = yard.volume().layer(a_txt="old")

    async def story() -> None:
        def script() -> None:
            import os

            for path in ("/data/b.txt", os.path.realpath("/data/a.txt")):
                try:
                    open(path, "w")
                except OSError as error:
                    print(error.strerror)
            gate()  # type: ignore[name-defined]  # noqa: F821
            print(open("/data/a.txt").read())

        run = await yard.run(script, Mount("vo-1", "/data", volume.view(read_only=True)))
        door = await yard.meet()
        await run.container.detach("vo-1")
        await run.container.attach("vo-1", volume.layer(a_txt="new").view(read_only=True))
        door.close()
        refused = "Read-only file system"
        assert (await run.printed()).splitlines() == [refused, refused, "new"]
        await yard.close()

    asyncio.run(story())


def test_a_terminal_without_a_name(yard: DockerYard) -> None:
    """It is the server's, and the container has another /dev/pts."""

    async def story() -> None:
        run = await idle(yard)
        shell = await run.execute(
            "sh", "-c", "stty size; tty; read line < /dev/tty; echo got $line", terminal=(33, 77)
        )
        await shell.says(b"33 77\r\nnot a tty\r\n")
        await shell.execution.write(b"words\n")
        assert await shell.end() == Exit(0)
        assert shell.said[1].endswith(b"got words\r\n")
        await yard.close()

    asyncio.run(story())


def test_secrets_are_on_no_command_line_and_not_with_docker(yard: DockerYard) -> None:
    async def story() -> None:
        def script() -> None:
            import os
            from pathlib import Path

            print(os.environ["KEY"] == "s3cret")
            lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
            first = Path("/proc/1/environ").read_bytes()
            print(any(b"s3cret" in text for text in (*lines, first)))
            gate()  # type: ignore[name-defined]  # noqa: F821

        run = await yard.run(script, environment={"KEY": "s3cret"})
        door = await yard.meet()
        [name] = docker("ps", "-q", "--filter", f"label={LABEL}.container=ta-1").split()
        assert "s3cret" not in docker("inspect", name)
        door.close()
        assert (await run.printed()).split() == ["True", "False"]
        await yard.close()

    asyncio.run(story())


def test_memory_and_cpu_are_limited(yard: DockerYard) -> None:
    async def story() -> None:
        def script() -> None:
            gate()  # type: ignore[name-defined]  # noqa: F821
            print("before", flush=True)
            print(len(bytearray(256 << 20)))

        run = await yard.run(script, limits=Limits(memory=64, cpu=1500))
        door = await yard.meet()
        [name] = docker("ps", "-q", "--filter", f"label={LABEL}.container=ta-1").split()
        settings = json.loads(docker("inspect", name))[0]["HostConfig"]
        assert settings["CpuQuota"] / settings["CpuPeriod"] == 1.5
        door.close()
        assert await run.end() == Exit(None, signal.SIGKILL)
        assert run.said() == "before\n"
        await yard.close()

    asyncio.run(story())


def test_killed_containers_are_gone_with_all_that_they_started(yard: DockerYard) -> None:
    async def story() -> None:
        run = await yard.run("import subprocess; subprocess.Popen(['sleep', '61']); gate()")
        await yard.meet()
        await run.container.kill()
        assert await run.end() == Exit(None, signal.SIGKILL)
        other = await yard.run("import time; time.sleep(60)")
        await yard.close()
        assert other.ended.result() == Exit(None, signal.SIGKILL)
        assert list((yard.directory / "backend").iterdir()) == []

    asyncio.run(story())
    label = f"label={LABEL}.directory={yard.directory / 'backend'}"
    assert docker("ps", "-qa", "--filter", label) == ""


def test_a_server_that_is_gone_leaves_nothing_running(yard: DockerYard) -> None:
    """Its end of the line closes, as the kernel does it for one that is killed."""

    async def story() -> None:
        run = await yard.run("gate()")
        await yard.meet()
        [cell] = yard.backend._cells.values()
        assert cell._line is not None
        cell._line._end.shutdown(2)
        assert await run.end() == Exit(None, signal.SIGKILL)
        await yard.close()

    asyncio.run(story())


def test_an_image_without_python_is_named(yard: DockerYard, place: Path) -> None:
    (place / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    docker("build", "-q", "-t", "modal-emulator:im-yard", str(place))

    async def story() -> None:
        with pytest.raises(EmulatorError, match="the image has no Python that can be started"):
            await yard.run("")
        await yard.close()

    asyncio.run(story())


def test_what_the_image_sets_lies_under_the_plan(yard: DockerYard, base: str, place: Path) -> None:
    lines = f"FROM {base}\nENV ONE=image TWO=image\nWORKDIR /srv/app\n"
    (place / "Dockerfile").write_text(lines)
    docker("build", "-q", "-t", "modal-emulator:im-yard", str(place))

    async def story() -> None:
        def script() -> None:
            import json
            import os

            print(json.dumps([os.environ.get("ONE"), os.environ.get("TWO"), os.getcwd()]))

        run = await yard.run(script, environment={"TWO": "plan"})
        assert json.loads(await run.printed()) == ["image", "plan", "/srv/app"]
        await yard.close()

    asyncio.run(story())
