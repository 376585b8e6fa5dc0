"""Containers of threads with copied volumes, beside code that sees the files as they are."""

import _posixsubprocess
import asyncio
import contextvars
import io
import os
import posix
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filework import SCRIPTS
from modal_emulator.runtime.backend import Mount, OpenFiles, Plan, View
from modal_emulator.runtime.inline.copied import CopiedPlaces
from modal_emulator.runtime.inline.here import HERE, Here
from modal_emulator.runtime.inline.place import Place
from modal_emulator.runtime.inline.surroundings import enter_surroundings, leave_surroundings
from modal_emulator.runtime.merged import is_removal
from yard import Volume

VOLUME = "/__modal/volumes/vo-1"


class Container:
    """A place, entered by as many threads as a test likes."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._context = contextvars.copy_context()
        place.build()
        self._context.run(HERE.set, Here("ta", dict(os.environ), lambda number, piece: None))
        self.run(place.enter)

    def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call in a thread of the container."""
        results: list[Any] = []

        def work() -> None:
            try:
                results.append(self._context.copy().run(call, *arguments))
            except BaseException as error:
                results.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if isinstance(results[0], BaseException):
            raise results[0]
        return results[0]


class Ground:
    """Makes containers and volumes."""

    def __init__(self, directory: Path, places: CopiedPlaces) -> None:
        self.directory, self.places = directory, places
        self.containers: list[Container] = []

    def volume(self, name: str = "volume") -> Volume:
        made = Volume(self.directory / name).layer(a_txt="one")
        (made.layers[0] / "d").mkdir()
        (made.layers[0] / "d" / "b.txt").write_text("two")
        return made

    def container(self, *mounts: Mount, **options: Any) -> Container:
        plan = {
            "container_id": f"ta-{len(self.containers)}",
            "arguments": b"",
            "environment": {},
            "mounts": mounts,
            "files": (),
            "working_directory": "/root",
            "socket": self.directory / "socket",
            "on_output": None,
            "on_sync": None,
            "on_exit": None,
            **options,
        }
        made = Container(self.places.place(Plan(**plan)))
        self.containers.append(made)
        return made

    def one(self, **options: Any) -> tuple[Container, View]:
        """Return a container with a volume at /data, and the view that it has."""
        view = self.volume().view(**options)
        return self.container(Mount("vo-1", "/data", view)), view


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    yield from opened(tmp_path, {})


@pytest.fixture
def blind(tmp_path: Path) -> Iterator[Ground]:
    """As on a system without /proc."""
    yield from opened(tmp_path / "blind", {"proc": tmp_path / "no-proc"})


def opened(directory: Path, options: dict[str, Any]) -> Iterator[Ground]:
    (directory / "real").mkdir(parents=True)
    (directory / "places").symlink_to("real")  # as a temporary directory is on macOS
    places = CopiedPlaces(directory / "places", **options)
    ground = Ground(directory, places)
    yield ground
    for container in ground.containers:
        container.place.leave()
    assert list((directory / "real").glob("*/*")) == []
    places.close()


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("kind", ["ground", "blind"])
def test_user_code_finds_the_volume(
    kind: str, script: Callable[[], None], request: pytest.FixtureRequest, monkeypatch: Any
) -> None:
    """The same scripts as with real mounts."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "module", raising=False)
    container, _ = request.getfixturevalue(kind).one(version=2)
    before = os.getcwd()
    container.run(script)
    assert os.getcwd() == before
    sys.modules.pop("module", None)
    sys.path_importer_cache.pop("/data", None)


def test_two_containers_and_the_test_at_once(ground: Ground, tmp_path: Path) -> None:
    """All three say the same paths, and none sees what another has."""
    volume = ground.volume()
    containers = [
        ground.container(Mount("vo-1", str(tmp_path / "data"), volume.view())) for _ in range(2)
    ]
    (tmp_path / "data").mkdir()
    barrier = threading.Barrier(3)

    def work(name: str) -> list[str]:
        os.makedirs(tmp_path / "data" / "w", exist_ok=True)
        if name != "test":
            os.chdir(tmp_path / "data" / "w")
        seen = []
        for turn in range(20):
            barrier.wait(60)
            write(str(tmp_path / "data" / "w" / "x"), f"{name} {turn}")
            barrier.wait(60)
            seen.append(read("x" if name != "test" else str(tmp_path / "data" / "w" / "x")))
        return [*seen, *sorted(os.listdir(tmp_path / "data"))]

    found: dict[str, list[str]] = {}
    threads = [
        threading.Thread(target=lambda n=name, c=each: found.update({n: c.run(work, n)}))
        for name, each in zip(("one", "two"), containers, strict=True)
    ]
    for thread in threads:
        thread.start()
    found["test"] = work("test")
    for thread in threads:
        thread.join()
    for name in ("one", "two"):
        assert found[name] == [f"{name} {turn}" for turn in range(20)] + ["a.txt", "d", "w"]
    assert found["test"] == [f"test {turn}" for turn in range(20)] + ["w"]


def test_tasks_on_one_loop_see_their_own(ground: Ground) -> None:
    first, second = (
        ground.container(Mount("vo-1", "/data", ground.volume(name).view()))
        for name in ("first", "second")
    )

    async def work(name: str, meet: Callable[[], Any]) -> list[str]:
        await asyncio.to_thread(write, "/data/name", name)
        os.chdir("/data")
        await meet()
        return [read("name"), await asyncio.to_thread(read, "/data/name"), os.getcwd()]

    async def story() -> None:
        left, count = asyncio.Event(), 0

        async def meet() -> None:
            nonlocal count
            count += 1
            if count == 2:
                left.set()
            await left.wait()

        tasks = []
        for name, container in (("one", first), ("two", second)):
            context = container._context.copy()
            tasks.append(context.run(asyncio.ensure_future, work(name, meet)))
        assert await asyncio.gather(*tasks) == [[n, n, VOLUME] for n in ("one", "two")]
        assert not os.path.exists("/data/name")

    asyncio.run(story())


def test_changes_are_collected(ground: Ground) -> None:
    container, view = ground.one()
    container.run(write, "/data/new", "new")
    container.run(os.remove, "/data/a.txt")
    assert container.place.collect("vo-1") == frozenset()
    assert (view.changes / "new").read_text() == "new"
    assert is_removal((view.changes / "a.txt").lstat())


def test_the_last_changes_are_there_when_it_has_left(ground: Ground) -> None:
    container, view = ground.one()
    container.run(write, "/data/late", "late")
    container.place.leave()
    assert (view.changes / "late").read_text() == "late"
    with pytest.raises(FileNotFoundError):
        container.run(write, "/data/later", "later")
    with pytest.raises(FileNotFoundError):
        container.run(os.getcwd)


def test_a_volume_taken_away_and_shown_again(ground: Ground) -> None:
    container, view = ground.one()
    container.run(write, "/data/new", "new")
    container.place.detach("vo-1")
    assert container.run(os.listdir, "/data") == []
    container.place.attach("vo-1", view)
    assert sorted(container.run(os.listdir, "/data")) == ["a.txt", "d", "new"]


def hold_a_file(held: list[Any]) -> None:
    held.append(open("/data/a.txt"))


def hold_a_descriptor(held: list[Any]) -> None:
    held.append(open(os.open("/data/d", os.O_RDONLY), "rb", closefd=True, opener=None))


def hold_by_a_relative_name(held: list[Any]) -> None:
    os.chdir("/data/d")
    held.append(open("b.txt"))
    os.chdir("/")


def hold_a_database(held: list[Any]) -> None:
    held.append(sqlite3.connect("/data/base.db", check_same_thread=False))
    held[0].execute("create table t (x)")


def hold_by_a_child(held: list[Any]) -> None:
    child = subprocess.Popen(
        ["sh", "-c", "echo; read x"], cwd="/data", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()

    class Child:
        def close(self) -> None:
            child.communicate(b"\n")

    held.append(Child())


@pytest.mark.parametrize("hold", [hold_a_file, hold_by_a_relative_name])
@pytest.mark.parametrize("kind", ["ground", "blind"])
def test_an_open_file_keeps_it(
    kind: str, hold: Callable[[list[Any]], None], request: pytest.FixtureRequest
) -> None:
    check_held(request.getfixturevalue(kind), hold)


@pytest.mark.parametrize("hold", [hold_a_database, hold_by_a_child])
def test_proc_tells_of_others_that_hold_it(
    ground: Ground, hold: Callable[[list[Any]], None]
) -> None:
    check_held(ground, hold)


def check_held(ground: Ground, hold: Callable[[list[Any]], None]) -> None:
    container, _ = ground.one()
    other = ground.container(Mount("vo-1", "/data", ground.volume("other").view()))
    held: list[Any] = []
    container.run(hold, held)
    other.place.detach("vo-1")
    with pytest.raises(OpenFiles):
        container.place.detach("vo-1")
    assert container.run(read, "/data/a.txt") == "one"
    held[0].close()
    container.place.detach("vo-1")


@pytest.mark.parametrize("kind", ["ground", "blind"])
def test_a_working_directory_keeps_it(kind: str, request: pytest.FixtureRequest) -> None:
    container, _ = request.getfixturevalue(kind).one()
    container.run(os.chdir, "/data/d")
    with pytest.raises(OpenFiles):
        container.place.detach("vo-1")
    container.run(os.chdir, "../..")
    assert container.run(os.getcwd) == "/__modal/volumes"
    container.place.detach("vo-1")


def test_what_the_sdk_looks_for_when_a_volume_is_held(ground: Ground) -> None:
    container, _ = ground.one()
    container.run(os.chdir, "/data/d")
    assert container.run(os.readlink, "/proc/self/cwd") == f"{VOLUME}/d"
    assert container.run(os.readlink, f"/proc/{os.getpid()}/cwd") == f"{VOLUME}/d"
    held: list[Any] = []
    container.run(hold_a_file, held)
    link = f"/proc/self/fd/{held[0].fileno()}"
    assert container.run(os.readlink, link) == f"{VOLUME}/a.txt"
    held[0].close()


@pytest.mark.parametrize("kind", ["ground", "blind"])
def test_an_open_directory_as_working_directory(kind: str, request: Any) -> None:
    container, _ = request.getfixturevalue(kind).one()

    def script() -> None:
        directory = os.open("/data/d", os.O_RDONLY)
        os.fchdir(directory)
        assert os.getcwd() == f"{VOLUME}/d"
        os.chdir("/")
        os.chdir(directory)
        assert os.listdir() == os.listdir(None) == ["b.txt"]
        assert [entry.path for entry in os.scandir()] == ["./b.txt"]
        os.close(directory)

    container.run(script)


def test_working_directories_that_cannot_be(ground: Ground) -> None:
    container, _ = ground.one()
    for path, kind in (("/data/none", FileNotFoundError), ("/data/a.txt", NotADirectoryError)):
        with pytest.raises(kind) as found:
            container.run(os.chdir, path)
        assert found.value.filename == path
    container.run(os.makedirs, "/data/gone")
    container.run(os.chdir, "/data/gone")
    container.run(os.rmdir, "/data/gone")
    with pytest.raises(FileNotFoundError):
        container.run(os.getcwd)
    with pytest.raises(PermissionError):
        container.run(os.chroot, "/data")


@pytest.fixture
def surroundings() -> Iterator[None]:
    enter_surroundings()
    yield
    leave_surroundings()


@pytest.mark.usefixtures("surroundings")
def test_programs_begin_in_the_working_directory(ground: Ground) -> None:
    container, _ = ground.one()

    def script() -> None:
        os.chdir("/data")
        run = {"capture_output": True, "text": True, "check": True}
        assert subprocess.run(["cat", "a.txt"], **run).stdout == "one"
        assert subprocess.run("cat a.txt", shell=True, **run).stdout == "one"
        assert subprocess.run(["cat", "b.txt"], cwd="d", **run).stdout == "two"
        # close_fds lets subprocess take posix_spawn, which knows no working directory.
        run["close_fds"] = False
        assert subprocess.run([shutil.which("cat"), "a.txt"], **run).stdout == "one"
        assert os.system("test -f a.txt") == 0
        assert os.waitstatus_to_exitcode(os.system("exit 3")) == 3
        assert os.popen("cat a.txt").read() == "one"
        assert os.spawnlp(os.P_WAIT, "test", "test", "-f", "a.txt") == 0

    container.run(script)


def test_ways_that_leave_the_volume(ground: Ground) -> None:
    container, _ = ground.one()

    def script() -> None:
        passwd = read("/etc/passwd")
        assert read("../etc/passwd") == read("/root/../etc/passwd") == passwd
        os.symlink("/etc/passwd", "/data/out")
        assert read("/data/out") == passwd
        os.symlink("/data", "/root/in")
        assert read("in/a.txt") == "one" and read("/etc/../root/in/a.txt") == "one"
        # From where the link leads to, as the kernel has it.
        assert os.listdir("in/..") == os.listdir("/data/..") == ["vo-1"]
        assert os.path.realpath("in/../vo-1") == VOLUME
        assert os.path.samefile("in/../vo-1/d/../a.txt", "/data/a.txt")
        with pytest.raises(FileNotFoundError) as found:
            read("none/../a.txt")
        assert found.value.filename == "none/../a.txt"
        assert os.stat("/..").st_ino == os.stat("/").st_ino

    container.run(script)


def test_directories_that_are_open_begin_paths(ground: Ground, tmp_path: Path) -> None:
    container, _ = ground.one()

    def script() -> None:
        directory = os.open("/data", os.O_RDONLY)
        with open(os.open("a.txt", os.O_RDONLY, dir_fd=directory)) as file:
            assert file.read() == "one"
        os.rename("a.txt", "b.txt", src_dir_fd=directory, dst_dir_fd=directory)
        os.symlink("b.txt", "near", dir_fd=directory)
        assert os.readlink("near", dir_fd=directory) == "b.txt"
        os.close(directory)
        shutil.rmtree("/data/d")
        assert sorted(os.listdir("/data")) == ["b.txt", "near"]

    container.run(script)


@pytest.mark.parametrize("kind", ["ground", "blind"])
def test_a_read_only_volume(kind: str, request: pytest.FixtureRequest) -> None:
    container, view = request.getfixturevalue(kind).one(read_only=True)

    def script() -> None:
        os.symlink("/data", "/root/in")
        directory = os.open("/data/d", os.O_RDONLY)
        os.chdir("/data")
        for call in (
            lambda: write("/data/new", "new"),
            lambda: write("a.txt", "new"),
            lambda: write("/root/in/new", "new"),
            lambda: write("d/../new", "new"),
            lambda: os.remove("/data/a.txt"),
            lambda: os.unlink("b.txt", dir_fd=directory),
            lambda: shutil.rmtree("/data/d"),
            lambda: os.mkdir("."),
            lambda: socket.socket(socket.AF_UNIX).bind("/data/server"),
            lambda: os.rename("/data/a.txt", "/root/a.txt"),
        ):
            with pytest.raises(OSError, match="Read-only file system"):
                call()
        assert not os.access("a.txt", os.W_OK) and os.access("a.txt", os.R_OK)
        write("/root/free", "free")
        os.close(directory)
        assert sorted(os.listdir()) == ["a.txt", "d"]

    container.run(script)
    container.place.collect("vo-1")
    assert list(view.changes.iterdir()) == []


def test_a_part_of_a_volume(ground: Ground) -> None:
    container, view = ground.one(sub_path="d")
    assert container.run(os.listdir, "/data") == ["b.txt"]
    container.run(write, "/data/c.txt", "three")
    container.place.collect("vo-1")
    assert (view.changes / "d" / "c.txt").read_text() == "three"


def test_version_one_takes_no_hard_links(ground: Ground) -> None:
    container, _ = ground.one()
    with pytest.raises(PermissionError):
        container.run(os.link, "/data/a.txt", "/data/b.txt")


def test_volumes_in_one_another_are_refused(ground: Ground) -> None:
    volume = ground.volume()
    mounts = [Mount(f"vo-{n}", path, volume.view()) for n, path in enumerate(("/data", "/data/in"))]
    with pytest.raises(ValueError, match="/data/in lies in another volume"):
        ground.container(*mounts)


def test_a_volume_inside_what_python_needs(
    ground: Ground, tmp_path: Path, monkeypatch: Any
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "code.py").write_text("code")
    monkeypatch.syspath_prepend(str(project))
    container = ground.container(Mount("vo-1", f"{project}/data", ground.volume().view()))
    assert container.run(read, f"{project}/data/a.txt") == "one"
    assert container.run(read, f"{project}/code.py") == "code"


def test_databases_by_other_names(ground: Ground) -> None:
    container, _ = ground.one()

    def script() -> None:
        os.chdir("/data")
        for name, options in (
            ("b.db", {}),
            ("file:/data/b.db?mode=rw", {"uri": True}),
            ("file:///data/b.db", {"uri": True}),
            ("file:b.db?mode=ro", {"uri": True}),
        ):
            base = sqlite3.connect(name, **options)
            if not options:
                base.execute("create table t (x)")
                base.commit()
            assert base.execute("select name from sqlite_master").fetchall() == [("t",)]
            base.close()
        for name, options in (
            (":memory:", {}),
            ("", {}),
            ("file::memory:", {"uri": True}),
            ("file:x?mode=memory", {"uri": True}),
        ):
            base = sqlite3.connect(name, **options)
            assert base.execute("select name from sqlite_master").fetchall() == []
            base.close()
        assert sorted(os.listdir()) == ["a.txt", "b.db", "d"]

    container.run(script)


def test_forks_belong_to_the_container(ground: Ground) -> None:
    container, _ = ground.one()

    def script() -> int:
        os.chdir("/data")
        child = os.fork()
        if not child:
            try:
                write("forked", "x")
                os.execvp("test", ["test", "-f", "forked"])
            finally:
                os._exit(9)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert container.run(script) == 0
    assert container.run(read, "/data/forked") == "x"


def test_files_of_local_code_are_there(ground: Ground, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "root" / "pkg").mkdir(parents=True)
    (tree / "root" / "pkg" / "data.txt").write_text("data")
    container = ground.container(files=(tree,), working_directory="/root/pkg/deep")
    assert container.run(read, "/root/pkg/data.txt") == "data"
    assert container.run(os.getcwd) == "/root/pkg/deep"


def test_nothing_is_left_of_what_could_not_be_made(ground: Ground) -> None:
    view = ground.volume().view(sub_path="a.txt/x")
    with pytest.raises(NotADirectoryError):
        ground.container(Mount("vo-1", "/data", view))


def test_functions_are_put_back(tmp_path: Path) -> None:
    before = {name: getattr(posix, name) for name in dir(posix)}
    real_open, real_stat, real_file = open, os.stat, io.FileIO
    sockets = vars(socket.socket).copy()
    defaults, kinds = shutil.rmtree.__kwdefaults__, os.supports_fd.copy()
    ground = Ground(tmp_path, CopiedPlaces(tmp_path / "places"))
    other = CopiedPlaces(tmp_path / "others")
    container, _ = ground.one()
    assert os.stat is not real_stat and open is not real_open
    late = type(sys)("late_module")
    sys.modules["late_module"] = late
    try:
        exec("from os import stat\nfrom io import FileIO\nlook = open", late.__dict__)
        Ground(tmp_path, other).container().place.leave()
        container.place.leave()
        ground.places.close()
        assert os.stat is not real_stat  # the others are still there
        other.close()
        other.close()
    finally:
        del sys.modules["late_module"]
    assert {name: getattr(posix, name) for name in dir(posix)} == before
    assert open is real_open and os.stat is real_stat
    assert vars(socket.socket) == sockets
    assert late.stat is real_stat and late.look is real_open
    assert late.FileIO is real_file
    assert (shutil.rmtree.__kwdefaults__, os.supports_fd) == (defaults, kinds)


@pytest.mark.parametrize(("is_inner", "leaves_first"), [(True, True), (True, False), (False, True)])
def test_functions_that_others_replaced_as_well(
    tmp_path: Path, is_inner: bool, leaves_first: bool
) -> None:
    """The surroundings of containers give programs an environment; nothing of it is lost."""
    before = [vars(each).copy() for each in (os, posix, subprocess, _posixsubprocess)]
    places = CopiedPlaces(tmp_path / "places")
    ground = Ground(tmp_path, places)
    if is_inner:
        enter_surroundings()
    container, _ = ground.one()
    if not is_inner:
        enter_surroundings()
    for call in (subprocess.call, lambda argv: os.spawnv(os.P_WAIT, "/bin/cat", argv)):
        argv = ["cat", "/data/a.txt"] if call is subprocess.call else ["cat", "a.txt"]
        container.run(os.chdir, "/data")
        assert container.run(call, argv) == 0
    container.place.leave()
    for leave in (leave_surroundings, places.close)[:: 1 if leaves_first else -1]:
        leave()
    assert [vars(each) for each in (os, posix, subprocess, _posixsubprocess)] == before


def test_what_is_said_about_them(ground: Ground, blind: Ground) -> None:
    assert [each.name for each in ground.places.offers] == ["OPEN_FILE_REFUSAL"]
    assert blind.places.offers == ground.places.offers
    assert blind.places.notice.startswith(ground.places.notice)
    assert "\n" not in blind.places.notice
