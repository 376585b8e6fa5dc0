"""What code in a thread container sees of files, and what of its doings stays."""

import asyncio
import mmap
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modal_emulator.runtime.backend import Mount, OpenFiles
from modal_emulator.runtime.mountinfo import mounts_below
from threadyard import Stage, ThreadYard


def test_a_volume_is_at_its_path_for_everybody_inside(yard: ThreadYard) -> None:
    volume = yard.volume().layer(a_txt="a")

    async def story() -> None:
        def look() -> Any:
            Path("/data/b.txt").write_text("b")
            said = subprocess.run(["/bin/cat", "/data/b.txt"], capture_output=True, check=True)
            return os.readlink("/data"), Path("/data/a.txt").read_text(), said.stdout

        view = volume.view()
        found = await yard.call(look, Mount("vo-1", "/data", view))
        assert found == ("/__modal/volumes/vo-1", "a", b"b")
        assert (view.changes / "b.txt").read_text() == "b"
        assert not Path("/data").exists()
        await yard.close()

    asyncio.run(story())


def test_what_is_written_elsewhere_goes_with_the_container(yard: ThreadYard) -> None:
    outside = tempfile.NamedTemporaryFile(dir="/tmp")

    async def story() -> None:
        def write() -> Any:
            places = ["/tmp/x", "/etc/x", "/root/x", "x"]
            assert not Path(outside.name).exists()
            for place in places:
                Path(place).write_text("x")
            return os.getcwd(), os.listdir("/dev/shm")

        working = os.getcwd()
        for _ in range(2):
            assert await yard.call(write, working_directory="/work/in") == ("/work/in", [])
        assert (os.getcwd(), Path("/etc/x").exists()) == (working, False)
        assert Path(outside.name).exists()
        await yard.close()
        assert not (yard.directory / "backend" / "containers").exists()

    asyncio.run(story())


def test_an_id_comes_again_before_its_former_files_are_removed(yard: ThreadYard) -> None:
    stage = Stage()

    async def story() -> None:
        run = await yard.run(stage.stop, container_id="ta-same")
        await stage.reached()
        assert await yard.call(os.getcwd, container_id="ta-same") == "/root"
        stage.go_on()
        await run.result()
        await yard.close()

    asyncio.run(story())


def test_this_process_sees_no_mount_of_a_container(yard: ThreadYard) -> None:
    stage = Stage()

    async def story() -> None:
        run = await yard.run(stage.stop, Mount("vo-1", "/data", yard.volume().view()))
        await stage.reached()
        assert not mounts_below(yard.directory)
        stage.go_on()
        await run.result()
        await yard.close()
        assert not mounts_below(yard.directory)

    asyncio.run(story())


def test_reload_shows_another_view(yard: ThreadYard) -> None:
    volume, stage = yard.volume().layer(a_txt="one"), Stage()

    async def story() -> None:
        def look() -> Any:
            seen = [Path("/data/a.txt").read_text()]
            stage.stop()
            seen += os.listdir("/data")
            stage.stop()
            return [*seen, Path("/data/a.txt").read_text()]

        run = await yard.run(look, Mount("vo-1", "/data", volume.view()))
        await stage.reached()
        await run.container.detach("vo-1")
        stage.go_on()
        await stage.reached()
        volume.layer(a_txt="two")
        await run.container.attach("vo-1", volume.view())
        stage.go_on()
        assert await run.result() == ["one", "two"]
        await yard.close()

    asyncio.run(story())


def open_file() -> Callable[[], object]:
    return open("/data/a.txt").close


def working_directory() -> Callable[[], object]:
    os.chdir("/data")
    return lambda: os.chdir("/")


def memory_map() -> Callable[[], object]:
    with open("/data/a.txt") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).close


def program() -> Callable[[], object]:
    child = subprocess.Popen(["/bin/cat"], cwd="/data", stdin=subprocess.PIPE)
    return lambda: child.communicate()


@pytest.mark.parametrize("hold", [open_file, working_directory, memory_map, program])
def test_what_is_held_cannot_be_taken_away(
    yard: ThreadYard, hold: Callable[[], Callable[[], object]]
) -> None:
    volume, stage = yard.volume().layer(a_txt="a"), Stage()

    async def story() -> None:
        def holding() -> None:
            free = hold()
            stage.stop()
            free()
            stage.stop()

        run = await yard.run(holding, Mount("vo-1", "/data", volume.view()))
        await stage.reached()
        with pytest.raises(OpenFiles):
            await run.container.detach("vo-1")
        stage.go_on()
        await stage.reached()
        await run.container.detach("vo-1")
        stage.go_on()
        await run.result()
        await yard.close()

    asyncio.run(story())


def test_a_fork_elsewhere_holds_nothing(yard: ThreadYard, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, stage = yard.volume().layer(a_txt="a"), Stage()

    async def story() -> None:
        def opening() -> None:
            with open("/data/a.txt"):
                stage.stop()
            stage.stop()

        run = await yard.run(opening, Mount("vo-1", "/data", volume.view()))
        await stage.reached()
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:  # has the open file as well, as every program before it is one
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        os.close(reading)
        stage.go_on()
        await stage.reached()

        def end_fork(_seconds: float) -> None:
            os.close(writing)
            os.waitpid(pid, 0)

        monkeypatch.setattr("modal_emulator.runtime.inline.mounted.rest", end_fork)
        await run.container.detach("vo-1")
        stage.go_on()
        await run.result()
        await yard.close()

    asyncio.run(story())


def test_what_python_needs_in_a_fresh_directory_is_seen_and_not_written(
    yard: ThreadYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = yard.directory / "project"
    own.mkdir()
    (own / "module.py").write_text("")
    monkeypatch.syspath_prepend(own)

    async def story() -> None:
        def look() -> str:
            names = os.listdir(own)
            with pytest.raises(OSError, match="Read-only"):
                (own / "more.py").touch()
            return str(names)

        assert await yard.call(look) == "['module.py']"
        mount = Mount("vo-1", str(own / "data"), yard.volume().layer(a_txt="a").view())
        assert await yard.call(lambda: (own / "data" / "a.txt").read_text(), mount) == "a"
        await yard.close()
        assert os.listdir(own) == ["module.py"]

    asyncio.run(story())


def test_files_that_were_stored_into_through_memory_are_named(yard: ThreadYard) -> None:
    stage = Stage()

    async def story() -> None:
        def store() -> None:
            path = Path("/data/a.txt")
            path.write_text("one")
            stage.stop()
            with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as stored:
                assert isinstance(stored, mmap.mmap)
                stored[:] = b"two"
            stage.stop()
            with path.open("r+b") as file:
                held = mmap.mmap(file.fileno(), 0)
            stage.stop()
            stage.stop()
            held.close()
            stage.stop()

        view = yard.volume().view()
        run = await yard.run(store, Mount("vo-1", "/data", view))
        found = []
        for _ in range(5):
            await stage.reached()
            found.append(await run.container.collect("vo-1"))
            stage.go_on()
        await run.result()
        named = frozenset({(view.changes / "a.txt").stat().st_ino})
        assert found == [frozenset(), named, named, named, named]
        await yard.close()

    asyncio.run(story())
