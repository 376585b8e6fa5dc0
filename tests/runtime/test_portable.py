"""Python's own file functions, redirected: what user code sees where nothing can be mounted."""

import asyncio
import inspect
import os
import posix
import types
from collections.abc import Callable

import pytest

from modal_emulator.runtime.backend import Mount
from modal_emulator.runtime.portable import TABLE
from yard import Yard

BY_HAND = {"open", "access", "scandir"}
NO_PATHS = {
    # Names of other things, open files, and pure functions of text.
    "_path_normpath",
    "_path_splitroot_ex",
    "confstr",
    "copy_file_range",
    "fpathconf",
    "fspath",
    "memfd_create",
    "putenv",
    "splice",
    "sysconf",
    "unsetenv",
}


def gate() -> None:
    """Stands for what `scripted` offers to scripts; those run elsewhere."""


def test_every_function_with_a_path_is_in_the_table() -> None:
    found = set()
    for name in dir(posix):
        function = getattr(posix, name)
        if isinstance(function, types.BuiltinFunctionType):
            try:
                parameters = set(inspect.signature(function).parameters)
            except ValueError:
                parameters = {"path"} if "path" in (function.__doc__ or "") else set()
            if parameters & {"path", "src", "dst", "file", "filename", "name"}:
                found.add(name)
    assert found - NO_PATHS <= TABLE.keys() | BY_HAND
    assert {name for name in TABLE if hasattr(posix, name)} <= found | {"getcwd", "getcwdb"}


def reading() -> None:
    import glob
    import io
    import os
    import pathlib

    assert open("/data/a.txt").read() == io.open("/data//./a.txt").read() == "one"
    assert pathlib.Path("/data/a.txt").read_text() == "one"
    assert open(b"/data/a.txt", "rb").read() == b"one"
    assert io.FileIO("/data/a.txt").read() == b"one"
    assert isinstance(open("/data/a.txt", "rb", buffering=0), io.FileIO)
    assert open("/data/a.txt").name == "/data/a.txt"
    with open(os.open("/data/a.txt", os.O_RDONLY)) as file:
        assert file.read() == "one"
    assert sorted(os.listdir("/data")) == sorted(os.listdir(path="/data")) == ["a.txt", "d"]
    assert os.stat("/data/a.txt").st_size == os.path.getsize("/data/a.txt") == 3
    assert os.path.exists("/data/d") and os.path.isdir("/data/d") and not os.path.exists("/data/n")
    assert sorted(glob.glob("/data/**", recursive=True)) == [
        "/data/",
        "/data/a.txt",
        "/data/d",
        "/data/d/b.txt",
    ]
    assert sorted(map(str, pathlib.Path("/data").rglob("*.txt"))) == [
        "/data/a.txt",
        "/data/d/b.txt",
    ]
    assert [(root, files) for root, _, files in os.walk("/data")] == [
        ("/data", ["a.txt"]),
        ("/data/d", ["b.txt"]),
    ]
    with os.scandir("/data") as entries:
        found = {entry.name: entry for entry in entries}
    assert found["a.txt"].path == os.fspath(found["a.txt"]) == "/data/a.txt"
    assert found["a.txt"].is_file() and found["d"].is_dir()
    assert [entry.path for entry in os.scandir(b"/data/d")] == [b"/data/d/b.txt"]
    assert os.access("/data/a.txt", os.R_OK | os.W_OK)


def links() -> None:
    import os
    import pathlib

    assert os.path.islink("/data") and not os.path.ismount("/data")
    assert os.readlink("/data") == "/__modal/volumes/vo-1"
    assert os.path.realpath("/data/d/b.txt") == "/__modal/volumes/vo-1/d/b.txt"
    assert str(pathlib.Path("/data/a.txt").resolve()) == "/__modal/volumes/vo-1/a.txt"
    os.symlink("/data/a.txt", "/data/link")
    assert os.readlink("/data/link") == "/data/a.txt" and open("/data/link").read() == "one"
    assert open("/__modal/volumes/vo-1/a.txt").read() == "one"


def moving() -> None:
    import os
    import pathlib
    import shutil
    import tempfile

    os.makedirs("/data/new/deep")
    pathlib.Path("/data/new/deep/f").write_text("f")
    os.rename("/data/new", "/data/newer")
    os.replace(src="/data/newer/deep/f", dst="/data/f")
    assert open("/data/f").read() == "f"
    shutil.copytree("/data/d", "/root/d")
    shutil.move("/root/d", "/data/e")
    assert os.listdir("/data/e") == ["b.txt"] and not os.path.exists("/root/d")
    shutil.rmtree("/data/e")
    shutil.copyfile("/data/a.txt", "/tmp/copied-%d" % os.getpid())
    os.remove("/tmp/copied-%d" % os.getpid())
    with tempfile.NamedTemporaryFile("w", dir="/data", suffix=".tmp") as file:
        file.write("x")
        assert file.name.startswith("/data/") and os.path.exists(file.name)
    assert not [name for name in os.listdir("/data") if name.endswith(".tmp")]
    with tempfile.TemporaryDirectory(dir="/data") as name:
        open(os.path.join(name, "x"), "w").close()
    assert not os.path.exists(name)
    os.link("/data/a.txt", "/data/hard")
    assert os.stat("/data/hard").st_nlink == 2
    os.utime("/data/f", (1, 1))
    os.chmod("/data/f", 0o600)
    os.truncate("/data/f", 0)
    assert (os.stat("/data/f").st_size, os.stat("/data/f").st_mode & 0o777) == (0, 0o600)


def working_directory() -> None:
    import os
    import pathlib

    assert os.getcwd() == "/root"
    os.chdir("/data")
    assert os.getcwd() == "/__modal/volumes/vo-1" and os.getcwdb() == b"/__modal/volumes/vo-1"
    assert open("a.txt").read() == "one" and os.path.abspath("d") == "/__modal/volumes/vo-1/d"
    assert pathlib.Path.cwd().name == "vo-1" and os.listdir() == os.listdir(".")
    os.chdir("/")
    assert os.getcwd() == "/"


def errors() -> None:
    import os

    for call, names in (
        (lambda: open("/data/none"), ("/data/none", None)),
        (lambda: os.stat("/data/none"), ("/data/none", None)),
        (lambda: os.rename("/data/none", "/data/x"), ("/data/none", "/data/x")),
        (lambda: os.listdir("/root/none"), ("/root/none", None)),
        (lambda: os.mkdir("/data/d"), ("/data/d", None)),
    ):
        try:
            call()
        except OSError as error:
            assert (error.filename, error.filename2) == names, error
        else:
            raise AssertionError(names)


def other_libraries() -> None:
    import gzip
    import json
    import os
    import sqlite3
    import subprocess
    import sys
    import tarfile
    import zipfile

    with sqlite3.connect("/data/base.db") as base:
        base.execute("create table t (x)")
    assert os.path.getsize("/data/base.db")
    with zipfile.ZipFile("/data/x.zip", "w") as archive:
        archive.write("/data/a.txt", "a.txt")
    zipfile.ZipFile("/data/x.zip").extractall("/data/zip")
    with tarfile.open("/data/x.tgz", "w:gz") as tar:
        tar.add("/data/d", "d")
    with tarfile.open("/data/x.tgz") as tar:
        assert tar.getnames() == ["d", "d/b.txt"]
    with gzip.open("/data/x.gz", "wt") as file:
        json.dump({"x": 1}, file)
    run = {"capture_output": True, "text": True, "check": True}
    assert subprocess.run(["cat", "/data/a.txt"], **run).stdout == "one"
    assert subprocess.run(["cat", "a.txt"], cwd="/data", **run).stdout == "one"
    with open("/data/module.py", "w") as source:
        source.write("NAME = __name__; FILE = __file__")
    sys.path.append("/data")
    import module

    assert (module.NAME, module.FILE) == ("module", "/data/module.py")


def elsewhere() -> None:
    import os
    import tempfile

    assert open("/proc/self/stat").read()
    assert os.path.realpath("/etc/../etc/passwd") == "/etc/passwd"
    with tempfile.TemporaryDirectory() as place:
        with open(f"{place}/data", "w") as file:
            file.write("x")
        assert open(f"{place}/data").name == f"{place}/data"
    assert not os.path.exists("/database")  # begins like /data, and is not in it


@pytest.mark.parametrize(
    "script",
    [reading, links, moving, working_directory, errors, other_libraries, elsewhere],
    ids=lambda each: each.__name__,
)
def test_user_code_finds_the_volume(yard: Yard, script: Callable[[], None]) -> None:
    """The same code runs with real mounts, which shows that it expects nothing of its own."""
    volume = yard.volume().layer(a_txt="one")
    (volume.layers[0] / "d").mkdir()
    (volume.layers[0] / "d" / "b.txt").write_text("two")

    async def story() -> None:
        run = await yard.run(script, Mount("vo-1", "/data", volume.view(version=2)))
        assert await run.printed() == ""
        await yard.close()

    asyncio.run(story())


def test_links_keep_their_targets_in_the_volume(plain: Yard) -> None:
    volume = plain.volume().layer(a_txt="one")
    (volume.layers[0] / "old").symlink_to("/data/a.txt")

    async def story() -> None:
        def script() -> None:
            import os

            print(open("/data/old").read(), os.readlink("/data/old"))
            os.symlink("/data/a.txt", "/data/new")
            os.symlink("a.txt", "/data/near")
            gate()

        view = volume.view()
        run = await plain.run(script, Mount("vo-1", "/data", view))
        end = await plain.meet()
        await run.container.collect("vo-1")
        targets = {path.name: os.readlink(path) for path in view.changes.iterdir()}
        assert targets == {"new": "/data/a.txt", "near": "a.txt"}
        end.close()
        assert await run.printed() == "one /data/a.txt"
        await plain.close()

    asyncio.run(story())
