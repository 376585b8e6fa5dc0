"""Volumes in containers: what is seen, what is kept, and when they can be taken away."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.backend import Exit, Mount, OpenFiles
from modal_emulator.runtime.job import Isolation
from yard import Volume, Yard


def gate() -> None:
    """Stands for what `scripted` offers to scripts; those run elsewhere."""


def removals(changes: Path) -> set[str]:
    return {
        str(path.relative_to(changes))
        for path in changes.rglob("*")
        if path.is_char_device() and path.lstat().st_rdev == 0
    }


def test_layers_are_seen_as_one_directory(yard: Yard) -> None:
    volume = yard.volume().layer(a_txt="old", b_txt="b", c_txt="c").layer(a_txt="new")
    os.mknod(volume.layers[0] / "c.txt", 0o020600, os.makedev(0, 0))

    async def story() -> None:
        def script() -> None:
            import os

            names = sorted(os.listdir("/data"))
            print(names, [open(f"/data/{name}").read() for name in names])
            print(os.path.islink("/data"), os.path.realpath("/data/a.txt"), os.readlink("/data"))
            print(
                os.listdir("/__modal/volumes"), sorted(os.listdir("/__modal/volumes/vo-1")) == names
            )

        run = await yard.run(script, Mount("vo-1", "/data", volume.view()))
        assert (await run.printed()).splitlines() == [
            "['a.txt', 'b.txt'] ['new', 'b']",
            "True /__modal/volumes/vo-1/a.txt /__modal/volumes/vo-1",
            "['vo-1'] True",
        ]
        await yard.close()

    asyncio.run(story())


@pytest.mark.parametrize("path", ["/data", "/root/data", "/mnt/deep/er", "/tmp/x", "/opt/data"])
def test_a_volume_can_be_anywhere(yard: Yard, path: str) -> None:
    volume = yard.volume().layer(a_txt="a")

    async def story() -> None:
        view = volume.view()
        run = await yard.run(
            f"print(open({path!r} + '/a.txt').read()); open({path!r} + '/b.txt', 'w').write('b')",
            Mount("vo-1", path, view),
        )
        assert await run.printed() == "a"
        await run.container.collect("vo-1") if yard.isolation is not Isolation.PLAIN else None
        await yard.close()

    asyncio.run(story())


def test_a_mount_path_hides_what_the_machine_has_there(mounting: Yard) -> None:
    async def story() -> None:
        view = mounting.volume().view()
        run = await mounting.run(
            "import os; print(os.listdir('/etc'))", Mount("vo-1", "/etc", view)
        )
        assert await run.printed() == "[]"
        await mounting.close()

    if mounting.isolation is Isolation.ROOT:
        asyncio.run(story())


def test_changes_are_kept_in_overlay_format(yard: Yard) -> None:
    volume = yard.volume().layer(gone_txt="x", changed_txt="x", same_txt="x")
    (volume.layers[0] / "dir" / "inner").mkdir(parents=True)
    (volume.layers[0] / "dir" / "inner" / "f").write_text("x")
    (volume.layers[0] / "emptied").mkdir()
    (volume.layers[0] / "emptied" / "f").write_text("x")

    async def story() -> None:
        def script() -> None:
            import os
            import shutil

            os.chdir("/data")
            os.remove("gone.txt")
            with open("changed.txt", "a") as file:
                file.write("y")
            os.makedirs("new/deep")
            open("new/deep/f", "w").close()
            os.symlink("changed.txt", "link")
            os.remove("dir/inner/f")
            shutil.rmtree("emptied")
            os.mkdir("emptied")
            os.mkdir("temporary")
            os.rmdir("temporary")
            os.chdir("/")
            gate()

        view = volume.view()
        run = await yard.run(script, Mount("vo-1", "/data", view))
        end = await yard.meet()
        await run.container.collect("vo-1")
        changes = view.changes
        assert (changes / "changed.txt").read_text() == "xy"
        assert (changes / "new" / "deep" / "f").is_file()
        assert os.readlink(changes / "link") == "changed.txt"
        assert not (changes / "same.txt").exists()
        assert not (changes / "temporary").exists()
        assert {"gone.txt", "dir/inner/f"} <= removals(changes)
        # The kernel marks the directory that was made anew; without it each entry is removed.
        names = os.listxattr(changes / "emptied")
        assert "emptied/f" in removals(changes) or any("opaque" in name for name in names)
        end.close()
        await run.printed()
        await yard.close()

    asyncio.run(story())


def test_reload_shows_another_view(yard: Yard) -> None:
    volume = yard.volume().layer(a_txt="one")

    async def story() -> None:
        def script() -> None:
            import os

            print(open("/data/a.txt").read())
            gate()
            print(os.listdir("/data"))
            gate()
            print(open("/data/a.txt").read(), sorted(os.listdir("/data")))

        run = await yard.run(script, Mount("vo-1", "/data", volume.view()))
        first = await yard.meet()
        await run.container.detach("vo-1")
        first.close()
        second = await yard.meet()
        volume.layer(a_txt="two", b_txt="b")
        await run.container.attach("vo-1", volume.view())
        second.close()
        assert (await run.printed()).splitlines() == ["one", "[]", "two ['a.txt', 'b.txt']"]
        await yard.close()

    asyncio.run(story())


def open_for_reading() -> None:
    held = open("/data/a.txt")
    gate()
    held.close()
    gate()


def open_but_removed() -> None:
    import os

    held = open("/data/a.txt", "a")
    os.remove("/data/a.txt")
    gate()
    held.close()
    gate()


def working_directory() -> None:
    import os

    os.chdir("/data")
    gate()
    os.chdir("/")
    gate()


def memory_map() -> None:
    import mmap

    with open("/data/a.txt") as file:
        held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    gate()
    held.close()
    gate()


def child_process() -> None:
    import subprocess
    import sys

    held = subprocess.Popen(
        [sys.executable, "-S", "-c", "print('up'); input()"],
        cwd="/data",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    held.stdout.readline()
    gate()
    held.communicate("end\n")
    gate()


@pytest.mark.parametrize(
    "script", [open_for_reading, open_but_removed, working_directory, memory_map, child_process]
)
def test_what_is_held_cannot_be_taken_away(yard: Yard, script: Callable[[], None]) -> None:
    volume = yard.volume().layer(a_txt="one")

    async def story() -> None:
        run = await yard.run(script, Mount("vo-1", "/data", volume.view()))
        held = await yard.meet()
        with pytest.raises(OpenFiles, match="there are open files preventing the operation"):
            await run.container.detach("vo-1")
        held.close()
        let_go = await yard.meet()
        await run.container.detach("vo-1")
        let_go.close()
        assert await run.end() == Exit(0)
        await yard.close()

    asyncio.run(story())


def test_a_refused_detach_changes_nothing(yard: Yard) -> None:
    volume = yard.volume().layer(a_txt="one")

    async def story() -> None:
        def script() -> None:
            held = open("/data/a.txt")
            gate()
            open("/data/b.txt", "w").write("b")
            print(held.read(), open("/data/a.txt").read(), open("/data/b.txt").read())

        run = await yard.run(script, Mount("vo-1", "/data", volume.view()))
        end = await yard.meet()
        with pytest.raises(OpenFiles):
            await run.container.detach("vo-1")
        end.close()
        assert await run.printed() == "one one b"
        await yard.close()

    asyncio.run(story())


def test_the_sdk_finds_who_holds_a_file(yard: Yard) -> None:
    volume = yard.volume().layer(a_txt="one")

    async def story() -> None:
        def script() -> None:
            import subprocess
            import sys

            from modal.volume import _open_files_error_annotation as annotation

            place = "/__modal/volumes/vo-1"
            print(annotation(place))
            with open("/data/a.txt"):
                print(annotation(place))
            code = "import sys; print('up', flush=True); sys.stdin.read()"
            child = subprocess.Popen(
                [sys.executable, "-S", "-c", code], cwd="/data", stdin=-1, stdout=-1
            )
            child.stdout.readline()
            print(annotation(place))
            child.communicate()

        run = await yard.run(script, Mount("vo-1", "/data", volume.view()))
        nobody, own, other = (await run.printed()).splitlines()
        assert (nobody, own) == ("None", "path a.txt is open")
        assert other.startswith("cwd of '") and other.endswith("' is inside volume")
        await yard.close()

    asyncio.run(story())


def test_a_read_only_volume_cannot_be_written(yard: Yard) -> None:
    volume = yard.volume().layer(a_txt="one")

    async def story() -> None:
        def script() -> None:
            import os

            for change in (
                lambda: open("/data/b.txt", "w"),
                lambda: open("/data/a.txt", "a"),
                lambda: os.remove("/data/a.txt"),
                lambda: os.mkdir("/__modal/volumes/vo-1/d"),
                lambda: os.rename("/data/a.txt", "/data/c.txt"),
                lambda: os.chmod("/data/a.txt", 0o600),
            ):
                try:
                    change()
                except OSError as error:
                    print(error.errno, error.strerror)
            print(open("/data/a.txt").read(), os.access("/data/a.txt", os.W_OK))

        run = await yard.run(script, Mount("vo-1", "/data", volume.view(read_only=True)))
        assert await run.printed() == "30 Read-only file system\n" * 6 + "one False"
        await yard.close()

    asyncio.run(story())


def test_a_sub_path_is_all_that_is_seen(yard: Yard) -> None:
    volume = yard.volume().layer(outside_txt="x")
    (volume.layers[0] / "sub" / "path").mkdir(parents=True)
    (volume.layers[0] / "sub" / "path" / "a.txt").write_text("a")

    async def story() -> None:
        def script() -> None:
            import os

            print(os.listdir("/data"), os.listdir("/data/.."), os.path.realpath("/data"))
            open("/data/b.txt", "w").write("b")
            os.remove("/data/a.txt")

        view = volume.view(sub_path="sub/path")
        run = await yard.run(script, Mount("vo-1", "/data", view))
        assert await run.printed() == "['a.txt'] ['vo-1'] /__modal/volumes/vo-1"
        await yard.close()

    asyncio.run(story())


def test_a_sub_path_is_made_when_missing_and_written_to(yard: Yard) -> None:
    volume = yard.volume().layer(outside_txt="x")

    async def story() -> None:
        def script() -> None:
            open("/data/b.txt", "w").write("b")
            gate()
            gate()

        view = volume.view(sub_path="not/yet")
        run = await yard.run(script, Mount("vo-1", "/data", view))
        first = await yard.meet()
        await run.container.collect("vo-1")
        assert (view.changes / "not" / "yet" / "b.txt").read_text() == "b"
        first.close()
        second = await yard.meet()
        await run.container.detach("vo-1")
        await run.container.attach("vo-1", view)
        second.close()
        await run.printed()
        await yard.close()

    asyncio.run(story())


@pytest.mark.parametrize("sub_path", ["file", "link", "link/inner"])
def test_a_sub_path_leads_nowhere_else(yard: Yard, sub_path: str) -> None:
    volume = yard.volume().layer(file="x")
    (volume.layers[0] / "link").symlink_to("/etc")

    async def story() -> None:
        with pytest.raises(EmulatorError, match=f"Not a directory.*{sub_path}"):
            await yard.run("", Mount("vo-1", "/data", volume.view(sub_path=sub_path)))
        await yard.close()

    asyncio.run(story())


def test_many_layers_with_odd_names(yard: Yard) -> None:
    place = yard.directory / ("a,b:c\\" + "d" * 150)
    volume = Volume(place)
    for number in range(100):
        volume.layer(**{f"f{number}": str(number), "last": str(number)})

    async def story() -> None:
        def script() -> None:
            import os

            print(len(os.listdir("/data")), open("/data/last").read(), open("/data/f0").read())

        run = await yard.run(script, Mount("vo-1", "/data", volume.view()))
        assert await run.printed() == "101 99 0"
        await yard.close()

    asyncio.run(story())


def test_a_volume_may_be_empty(yard: Yard) -> None:
    async def story() -> None:
        run = await yard.run(
            "import os; print(os.listdir('/data')); open('/data/x', 'w')",
            Mount("vo-1", "/data", yard.volume().view()),
        )
        assert await run.printed() == "[]"
        await yard.close()

    asyncio.run(story())


def test_several_volumes_do_not_mix(yard: Yard) -> None:
    one, two = yard.volume("one").layer(a_txt="1"), yard.volume("two").layer(a_txt="2")

    async def story() -> None:
        def script() -> None:
            print(open("/one/a.txt").read(), open("/two/a.txt").read())
            held = open("/two/a.txt")
            gate()
            print(held.read())

        run = await yard.run(
            script, Mount("vo-1", "/one", one.view()), Mount("vo-2", "/two", two.view())
        )
        end = await yard.meet()
        await run.container.detach("vo-1")
        with pytest.raises(OpenFiles):
            await run.container.detach("vo-2")
        end.close()
        assert await run.printed() == "1 2\n2"
        await yard.close()

    asyncio.run(story())


def test_programs_see_the_volume(mounting: Yard) -> None:
    volume = mounting.volume().layer(a_txt="one")

    async def story() -> None:
        def script() -> None:
            import sqlite3
            import subprocess

            print(subprocess.run(["cat", "/data/a.txt"], capture_output=True, text=True).stdout)
            subprocess.run("echo b > /data/b.txt; mv /data/b.txt /data/c.txt", shell=True)
            with sqlite3.connect("/data/x.db") as base:
                base.execute("create table t (x)")
            print(open("/data/c.txt").read(), end="")

        view = volume.view()
        run = await mounting.run(script, Mount("vo-1", "/data", view))
        assert await run.printed() == "one\nb"
        assert {path.name for path in view.changes.iterdir()} == {"c.txt", "x.db"}
        await mounting.close()

    asyncio.run(story())


def test_directories_can_be_renamed_by_root(place: Path) -> None:
    from yard import require

    require(Isolation.ROOT, place)
    yard = Yard(place, Isolation.ROOT)
    volume = yard.volume()
    volume.layer()
    (volume.layers[0] / "d").mkdir()
    (volume.layers[0] / "d" / "f").write_text("x")

    async def story() -> None:
        run = await yard.run(
            "import os; os.rename('/data/d', '/data/e'); print(os.listdir('/data/e'))",
            Mount("vo-1", "/data", volume.view()),
        )
        assert await run.printed() == "['f']"
        await yard.close()

    asyncio.run(story())


def test_what_the_kernel_left_is_removed_with_the_container(mounting: Yard) -> None:
    async def story() -> None:
        view = mounting.volume().view()
        run = await mounting.run("", Mount("vo-1", "/data", view))
        await run.printed()
        assert list(view.scratch.iterdir()) == []
        await mounting.close()

    asyncio.run(story())


def test_nothing_is_mounted_in_the_servers_view(mounting: Yard) -> None:
    async def story() -> None:
        run = await mounting.run("gate()", Mount("vo-1", "/data", mounting.volume().view()))
        end = await mounting.meet()
        assert str(mounting.directory) not in Path("/proc/self/mountinfo").read_text()
        end.close()
        await run.printed()
        await mounting.close()

    asyncio.run(story())
