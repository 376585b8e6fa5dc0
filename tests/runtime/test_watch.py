"""What containers ask of the kernel on a volume: links, syncs, and names when it is full."""

import asyncio
from typing import Any

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime.backend import Bound, Exit, Mount, View
from yard import Volume, Yard


def gate() -> None:
    """Stands for what `scripted` offers to scripts; those run elsewhere."""


def trees(volume: Volume) -> View:
    """Return a view of version 2."""
    return volume.view(version=2)


def bounded(volume: Volume, most: int, left: int, version: int = 1, **options: Any) -> View:
    bound = Bound(most, left, per_directory=version == 2)
    return volume.view(version=version, bound=bound, **options)


class Syncs:
    """What was asked to be synced, and what comes of it."""

    def __init__(self, *failures: Exception) -> None:
        self.volumes: list[str] = []
        self.failures = list(failures)

    async def __call__(self, volume_id: str) -> None:
        self.volumes.append(volume_id)
        if self.failures:
            raise self.failures.pop()


# ------------------------------------------------------------------------------- links


def test_version_1_has_no_hard_links(yard: Yard) -> None:
    volume = yard.volume().layer(old_txt="old")

    async def story() -> None:
        def script() -> None:
            import os

            def attempt(*arguments, **options):
                try:
                    os.link(*arguments, **options)
                except OSError as error:
                    return type(error).__name__, error.errno, error.strerror, error.filename
                return "linked"

            open("/data/new.txt", "w").close()
            print(attempt("/data/old.txt", "/data/link"))
            print(attempt("/data/new.txt", "/__modal/volumes/vo-1/link"))
            os.chdir("/data")
            print(attempt("new.txt", "link", follow_symlinks=False)[0])
            print(attempt("/data/none", "/data/link")[0])
            print(attempt("/data/old.txt", "/data/new.txt")[0])
            open("/root/a", "w").close()
            print(attempt("/root/a", "/root/b"), sorted(os.listdir("/data")))
            print(attempt("/only/a.txt", "/only/b.txt")[2])

        only = yard.volume("only").layer(a_txt="a").view(read_only=True)
        mounts = Mount("vo-1", "/data", volume.view()), Mount("vo-2", "/only", only)
        run = await yard.run(script, *mounts)
        refused = "('PermissionError', 1, 'Operation not permitted', '/data/{}')"
        assert (await run.printed()).splitlines() == [
            refused.format("old.txt"),
            refused.format("new.txt"),
            "PermissionError",
            "FileNotFoundError",
            "FileExistsError",
            "linked ['new.txt', 'old.txt']",
            "Read-only file system",
        ]
        await yard.close()

    asyncio.run(story())


def test_programs_make_no_hard_links_either(mounting: Yard) -> None:
    volume = mounting.volume().layer(old_txt="old")

    async def story() -> None:
        def script() -> None:
            import os
            import subprocess

            def attempt(*command, **options):
                done = subprocess.run(command, capture_output=True, text=True, **options)
                return done.returncode, done.stderr.strip().rpartition(": ")[2]

            print(attempt("ln", "/data/old.txt", "/data/link"))
            print(attempt("ln", "old.txt", "../vo-1/./link", cwd="/data"))
            os.symlink("/data", "/tmp/x")
            print(attempt("ln", "old.txt", "/tmp/x/link", cwd="/data"))
            file = os.open("/data", os.O_RDONLY)
            try:
                os.link("old.txt", "link", src_dir_fd=file, dst_dir_fd=file)
            except OSError as error:
                print(error.strerror)
            file = os.open("/data", os.O_TMPFILE | os.O_RDWR)
            try:
                os.link(f"/proc/self/fd/{file}", "/data/link", src_dir_fd=0)
            except OSError as error:
                print(error.strerror)
            print(attempt("ln", "/data/old.txt", "/root/link"))
            print(os.listdir("/data"))

        run = await mounting.run(script, Mount("vo-1", "/data", volume.view()))
        refused = "(1, 'Operation not permitted')"
        assert (await run.printed()).splitlines() == [
            refused,
            refused,
            refused,
            "Operation not permitted",
            "Operation not permitted",
            "(1, 'Invalid cross-device link')",
            "['old.txt']",
        ]
        await mounting.close()

    asyncio.run(story())


def test_version_2_has_hard_links(yard: Yard) -> None:
    volume = yard.volume().layer(old_txt="old")

    async def story() -> None:
        def script() -> None:
            import os

            os.link("/data/old.txt", "/data/link")
            print(os.stat("/data/link").st_nlink)

        run = await yard.run(script, Mount("vo-1", "/data", trees(volume)))
        assert await run.printed() == "2"
        await yard.close()

    asyncio.run(story())


# ------------------------------------------------------------------------------- syncs


def test_to_sync_the_mount_point_is_a_commit(mounting: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import os
            import subprocess

            open("/data/a.txt", "w").close()
            print(subprocess.run(["sync", "/data"]).returncode)
            print(subprocess.run(["sync", "-f", "/data"]).returncode)
            print(subprocess.run(["sync", "."], cwd="/__modal/volumes/vo-2").returncode)
            os.fsync(os.open("/data", os.O_RDONLY))

        syncs = Syncs()
        view = trees(mounting.volume())
        run = await mounting.run(script, Mount("vo-2", "/data", view), on_sync=syncs)
        assert (await run.printed()).split() == ["0", "0", "0"]
        assert syncs.volumes == ["vo-2"] * 4
        await mounting.close()

    asyncio.run(story())


def test_a_failed_commit_fails_the_sync(mounting: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import subprocess

            for _ in range(2):
                done = subprocess.run(["sync", "/data"], capture_output=True, text=True)
                print(done.returncode, done.stderr.strip().rpartition(": ")[2])

        syncs = Syncs(Conflict("full"))
        view = trees(mounting.volume())
        run = await mounting.run(script, Mount("vo-2", "/data", view), on_sync=syncs)
        assert (await run.printed()).splitlines() == ["1 Input/output error", "0"]
        await mounting.close()

    asyncio.run(story())


def test_what_is_flushed_from_memory_is_stamped(mounting: Yard) -> None:
    """A tmpfs does not do that by itself, and a change without a stamp is not seen."""

    async def story() -> None:
        def script() -> None:
            import mmap
            import os

            for path in ("/data/file", "/root/file"):
                with open(path, "w+b") as file:
                    file.write(b"x" * 5000)
                    file.flush()
                    with mmap.mmap(file.fileno(), 0) as pages:
                        os.utime(path, (1, 1))
                        pages.flush(4096, 904)
                print(os.stat(path).st_mtime > 1)

        run = await mounting.run(script, Mount("vo-1", "/data", mounting.volume().view()))
        assert (await run.printed()).split() == ["True", "False"]
        await mounting.close()

    asyncio.run(story())


def test_what_may_be_stored_into_through_memory_is_told(mounting: Yard) -> None:
    volume = mounting.volume().layer(old_txt="old")

    async def story() -> None:
        def script() -> None:
            import mmap
            import os

            os.mkdir("/data/d")
            for path in ("/data/d/held", "/data/let", "/data/read", "/root/out"):
                with open(path, "wb") as file:
                    file.write(b"x" * 5000)
            with open("/data/d/held", "r+b") as file:
                held = mmap.mmap(file.fileno(), 0)
            with open("/data/let", "r+b") as file:
                mmap.mmap(file.fileno(), 0).close()
            with open("/data/old.txt", "r+b") as file:
                mmap.mmap(file.fileno(), 0).close()
            with open("/data/read", "r+b") as file:
                read = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            with open("/data/read", "r+b") as file:
                own = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            with open("/root/out", "r+b") as file:
                out = mmap.mmap(file.fileno(), 0)
            gate()
            os.rename("/data/d", "/data/e")
            gate()
            for each in (held, read, own, out):
                each.close()
            gate()

        view = volume.view()
        run = await mounting.run(script, Mount("vo-1", "/data", view))

        def inodes(*names: str) -> frozenset[int]:
            return frozenset((view.changes / name).stat().st_ino for name in names)

        end = await mounting.meet()
        assert await run.container.collect("vo-1") == inodes("d/held", "let", "old.txt")
        assert await run.container.collect("vo-1") == inodes("d/held")
        end.close()
        end = await mounting.meet()
        assert await run.container.collect("vo-1") == inodes("e/held")
        end.close()
        end = await mounting.meet()
        assert await run.container.collect("vo-1") == inodes("e/held")  # it was, until just now
        assert await run.container.collect("vo-1") == frozenset()
        end.close()
        await run.printed()
        await mounting.close()

    asyncio.run(story())


def test_nothing_else_that_is_synced_is_a_commit(mounting: Yard) -> None:
    first, second, third = (mounting.volume(name) for name in ("one", "two", "three"))

    async def story() -> None:
        def script() -> None:
            import os

            os.mkdir("/v2/inner")
            for path in ("/v1", "/v2/inner", "/only", "/root", "/"):
                os.fsync(os.open(path, os.O_RDONLY))
            file = os.open("/v2/file", os.O_CREAT | os.O_RDWR)
            os.fsync(file)
            os.fdatasync(os.open("/v2", os.O_RDONLY))
            os.sync()
            try:
                os.fsync(1234)
            except OSError as error:
                print(error.strerror)

        run = await mounting.run(
            script,
            Mount("vo-1", "/v1", first.view()),
            Mount("vo-2", "/v2", trees(second)),
            Mount("vo-3", "/only", third.view(version=2, read_only=True)),
        )
        assert await run.printed() == "Bad file descriptor"
        await mounting.close()

    asyncio.run(story())


# ------------------------------------------------------------------------------- names


def test_a_full_volume_takes_no_new_name(mounting: Yard) -> None:
    volume = mounting.volume().layer(a_txt="a", b_txt="b")

    async def story() -> None:
        def script() -> None:
            import os
            import subprocess

            def attempt(function, *arguments):
                try:
                    function(*arguments)
                except OSError as error:
                    return str(error)
                return "done"

            os.mkdir("/data/d")
            print(attempt(open, "/data/d/c.txt", "w"))  # the fourth and last
            print(attempt(open, "/data/new.txt", "w"))
            print(attempt(os.mkdir, "/data/new"), attempt(os.mknod, "/data/new", 0o600))
            print(attempt(os.symlink, "to", "/data/new"))
            print(attempt(os.open, "/data/a.txt", os.O_CREAT | os.O_RDWR))
            print(attempt(os.open, "/data/a.txt", os.O_CREAT | os.O_EXCL))
            print(attempt(os.rename, "/data/a.txt", "/data/e.txt"))
            print(attempt(open, "/tmp/other.txt", "w"))
            os.symlink("/data/behind", "/tmp/link")
            print(attempt(open, "/tmp/link", "w"))
            print(subprocess.run(["touch", "/data/new"], capture_output=True, text=True).stderr)
            os.remove("/data/e.txt")
            print(attempt(open, "/tmp/link", "w"))
            print(attempt(open, "/data/new.txt", "w"))
            print(sorted(os.listdir("/data")))

        view = bounded(volume, 4, 2)
        run = await mounting.run(script, Mount("vo-1", "/data", view))
        full = "[Errno 28] No space left on device"
        printed = (await run.printed()).splitlines()
        assert printed.pop(9).endswith("No space left on device")
        assert printed == [
            "done",
            f"{full}: '/data/new.txt'",
            f"{full}: '/data/new' {full}",
            f"{full}: 'to' -> '/data/new'",
            "done",
            "[Errno 17] File exists: '/data/a.txt'",
            "done",
            "done",
            f"{full}: '/tmp/link'",
            "",
            "done",
            f"{full}: '/data/new.txt'",
            "['b.txt', 'behind', 'd']",
        ]
        await mounting.close()

    asyncio.run(story())


def test_each_directory_of_version_2_has_its_own_bound(mounting: Yard) -> None:
    volume = mounting.volume().layer(a_txt="a")

    async def story() -> None:
        def script() -> None:
            import os

            def attempt(function, *arguments):
                try:
                    function(*arguments)
                except OSError as error:
                    return error.strerror
                return "done"

            os.mkdir("/data/d")
            os.mkdir("/data/d/e")
            print(attempt(open, "/data/d/f.txt", "w"))
            print(attempt(open, "/data/g.txt", "w"), attempt(open, "/data/d/g.txt", "w"))
            print(attempt(os.link, "/data/a.txt", "/data/d/g.txt"))
            print(attempt(os.rename, "/data/a.txt", "/data/d/g.txt"))
            print(attempt(os.rename, "/data/a.txt", "/data/b.txt"))
            print(attempt(os.rename, "/data/b.txt", "/data/d/f.txt"))
            print(attempt(open, "/data/g.txt", "w"), attempt(open, "/data/h.txt", "w"))

        view = bounded(volume, 2, 1, version=2)
        run = await mounting.run(script, Mount("vo-1", "/data", view))
        full = "No space left on device"
        assert (await run.printed()).splitlines() == [
            "done",
            f"{full} {full}",
            full,
            full,
            "done",
            "done",
            f"done {full}",
        ]
        await mounting.close()

    asyncio.run(story())


def test_a_sub_path_counts_with_the_whole(mounting: Yard) -> None:
    volume = mounting.volume().layer(a_txt="a", b_txt="b")

    async def story() -> None:
        def script() -> None:
            import subprocess

            for name in "xy":
                print(subprocess.run(["touch", f"/data/{name}"], stderr=-1).returncode)

        # The directory is made, and then there is room for one more.
        view = bounded(volume, 4, 1, sub_path="d")
        run = await mounting.run(script, Mount("vo-1", "/data", view))
        assert (await run.printed()).split() == ["0", "1"]
        await mounting.close()

    asyncio.run(story())


def test_a_reload_brings_another_bound(mounting: Yard) -> None:
    volume = mounting.volume()

    async def story() -> None:
        def script() -> None:
            for name in "abc":
                try:
                    open(f"/data/{name}", "w").close()
                    print(name, flush=True)
                except OSError as error:
                    print(error.errno, flush=True)
                gate()

        run = await mounting.run(script, Mount("vo-1", "/data", bounded(volume, 1, 1)))
        (await mounting.meet()).close()
        second = await mounting.meet()
        assert run.said() == "a\n28\n"
        await run.container.detach("vo-1")
        await run.container.attach("vo-1", bounded(volume, 1, 1))
        second.close()
        (await mounting.meet()).close()
        assert await run.printed() == "a\n28\nc"
        await mounting.close()

    asyncio.run(story())


def test_many_at_once_make_exactly_what_there_is_room_for(mounting: Yard) -> None:
    volume = mounting.volume()

    async def story() -> None:
        def script() -> None:
            import os
            import threading

            def make(name):
                for number in range(40):
                    try:
                        os.close(os.open(f"/data/{name}-{number}", os.O_CREAT | os.O_WRONLY))
                    except OSError as error:
                        assert error.errno == 28

            for process in range(4):
                if os.fork() == 0:
                    threads = [
                        threading.Thread(target=make, args=(f"{process}-{number}",))
                        for number in range(4)
                    ]
                    for thread in threads:
                        thread.start()
                    for thread in threads:
                        thread.join()
                    os._exit(0)
            for _ in range(4):
                assert os.wait()[1] == 0
            print(len(os.listdir("/data")))

        run = await mounting.run(script, Mount("vo-1", "/data", bounded(volume, 100, 100)))
        assert await run.printed() == "100"
        await mounting.close()

    asyncio.run(story())


def test_every_way_to_make_a_name_is_known(mounting: Yard) -> None:
    volume = mounting.volume().layer(a_txt="a")

    async def story() -> None:
        def script() -> None:
            import ctypes
            import errno
            import os
            import struct

            from modal_emulator.runtime.calls import Kind, table_here

            libc = ctypes.CDLL(None, use_errno=True)
            table = table_here()
            os.mkdir("/data/d")
            os.rename("/data/a.txt", "/data/d/a.txt")
            open("/data/b.txt", "w").close()
            open("/data/d/b.txt", "w").close()
            at, made = os.open("/data", os.O_RDONLY), os.O_CREAT | os.O_WRONLY
            how = struct.pack("QQQ", made, 0o600, 0)
            old, new, start = b"/data/d/a.txt", b"/data/new", -100
            calls = {
                "link": (old, new),
                "linkat": (start, old, at, b"new", 0),
                "open": (new, made, 0o600),
                "openat": (at, b"new", made, 0o600),
                "openat2": (at, b"new", how, 24),
                "creat": (new, 0o600),
                "mkdir": (new, 0o700),
                "mkdirat": (at, b"new", 0o700),
                "mknod": (new, 0o100600, 0),
                "mknodat": (at, b"new", 0o100600, 0),
                "symlink": (old, new),
                "symlinkat": (old, at, b"new"),
                "rename": (old, new),
                "renameat": (start, old, at, b"new"),
                "renameat2": (start, old, at, b"new", 0),
            }
            assert set(calls) >= set(table.of_kinds([Kind.LINK, Kind.MAKE, Kind.MOVE]))
            for name, number in table.numbers.items():
                if name not in calls:
                    continue
                arguments = [
                    each if isinstance(each, bytes) else ctypes.c_long(each) for each in calls[name]
                ]
                assert libc.syscall(ctypes.c_long(number), *arguments) == -1, name
                assert ctypes.get_errno() == errno.ENOSPC, (name, ctypes.get_errno())
            assert sorted(os.listdir("/data")) == ["b.txt", "d"]
            os.rename("/data/b.txt", "/data/c.txt")
            exchange = (b"/data/c.txt", b"/data/d/a.txt")
            values = (ctypes.c_long(-100), exchange[0], ctypes.c_long(-100), exchange[1], 2)
            assert libc.syscall(ctypes.c_long(table.numbers["renameat2"]), *values) == 0

        view = bounded(volume, 2, 2, version=2)
        run = await mounting.run(script, Mount("vo-1", "/data", view))
        assert await run.printed() == ""
        await mounting.close()

    asyncio.run(story())


# ------------------------------------------------------------------------------- mishaps


def test_a_container_can_be_killed_while_it_syncs(mounting: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import subprocess

            subprocess.run(["sync", "/data"])

        began, goes_on = asyncio.Event(), asyncio.Event()

        async def syncs(volume_id: str) -> None:
            began.set()
            await goes_on.wait()

        run = await mounting.run(
            script, Mount("vo-2", "/data", trees(mounting.volume())), on_sync=syncs
        )
        await began.wait()
        await run.container.kill()
        assert await run.end() == Exit(None, 9)
        goes_on.set()
        await mounting.close()

    asyncio.run(story())


def test_who_is_killed_while_it_syncs_does_not_disturb_others(mounting: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import subprocess

            first = subprocess.Popen(["sync", "/data"])
            gate()
            first.kill()
            print(first.wait(), flush=True)
            gate()
            print(subprocess.run(["sync", "/data"]).returncode)

        goes_on = asyncio.Event()
        calls: asyncio.Queue[str] = asyncio.Queue()

        async def syncs(volume_id: str) -> None:
            calls.put_nowait(volume_id)
            await goes_on.wait()

        view = trees(mounting.volume())
        run = await mounting.run(script, Mount("vo-2", "/data", view), on_sync=syncs)
        first = await mounting.meet()
        await calls.get()
        first.close()
        second = await mounting.meet()
        goes_on.set()
        second.close()
        assert (await run.printed()).split() == ["-9", "0"]
        assert calls.qsize() == 1
        await mounting.close()

    asyncio.run(story())


def test_a_process_that_is_stopped_while_it_syncs_syncs_again(mounting: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import os
            import signal
            import subprocess

            program = subprocess.Popen(["sync", "/data"])
            gate()
            program.send_signal(signal.SIGSTOP)
            os.waitpid(program.pid, os.WUNTRACED)
            print("stopped", flush=True)
            gate()
            program.send_signal(signal.SIGCONT)
            print(program.wait())

        goes_on = [asyncio.Event(), asyncio.Event()]
        calls: asyncio.Queue[str] = asyncio.Queue()
        turns = iter(goes_on)

        async def syncs(volume_id: str) -> None:
            calls.put_nowait(volume_id)
            await next(turns).wait()

        view = trees(mounting.volume())
        run = await mounting.run(script, Mount("vo-2", "/data", view), on_sync=syncs)
        first = await mounting.meet()
        await calls.get()
        first.close()
        second = await mounting.meet()
        goes_on[0].set()
        second.close()
        await calls.get()
        goes_on[1].set()
        assert (await run.printed()).split() == ["stopped", "0"]
        await mounting.close()

    asyncio.run(story())


def test_a_volume_is_reloaded_while_calls_are_watched(mounting: Yard) -> None:
    """Nothing that the watching itself holds keeps a volume from being taken away."""
    volume = mounting.volume()

    async def story() -> None:
        def script() -> None:
            import os

            os.mkdir("/data/d")
            for number in range(3):
                open(f"/data/d/{number}", "w").close()
            try:
                os.mkdir("/data/e")
            except OSError as error:
                print(error.strerror)
            try:
                os.link("/data/d/0", "/data/e")
            except OSError as error:
                print(error.strerror, flush=True)
            gate()

        run = await mounting.run(script, Mount("vo-1", "/data", bounded(volume, 4, 0)))
        end = await mounting.meet()
        for _ in range(3):
            await run.container.detach("vo-1")
            await run.container.attach("vo-1", bounded(volume, 4, 0))
        end.close()
        said = ["No space left on device", "Operation not permitted"]
        assert (await run.printed()).splitlines() == said
        await mounting.close()

    asyncio.run(story())


def test_where_nothing_can_be_found_out_the_kernel_goes_on(mounting: Yard) -> None:
    volume = mounting.volume().layer(a_txt="a")

    async def story() -> None:
        def script() -> None:
            import ctypes
            import os

            assert ctypes.CDLL(None).umount2(b"/proc", 2) == 0
            os.link("/data/a.txt", "/data/b.txt")
            open("/data/c.txt", "w").close()
            print(sorted(os.listdir("/data")))

        run = await mounting.run(script, Mount("vo-1", "/data", bounded(volume, 1, 0)))
        assert await run.printed() == "['a.txt', 'b.txt', 'c.txt']"
        await mounting.close()

    asyncio.run(story())


def test_nothing_is_watched_that_need_not_be(mounting: Yard) -> None:
    volumes = [mounting.volume(str(number)) for number in range(4)]

    async def story() -> None:
        def script() -> None:
            print(*(line for line in open("/proc/self/status") if line.startswith("Seccomp:")))

        async def modes(*mounts: Mount) -> int:
            run = await mounting.run(script, *mounts)
            return int((await run.printed()).split()[-1])

        here = await modes()
        read_only = volumes[0].view(version=2, read_only=True)
        assert await modes(Mount("vo-1", "/data", read_only)) == here
        assert await modes(Mount("vo-1", "/data", volumes[1].view())) == 2
        await mounting.close()

    asyncio.run(story())


def test_many_containers_sync_at_once(mounting: Yard) -> None:
    async def story() -> None:
        def script() -> None:
            import subprocess
            import threading

            codes = []

            def sync() -> None:
                codes.append(subprocess.run(["sync", "/data"]).returncode)

            threads = [threading.Thread(target=sync) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            print(codes)

        syncs = Syncs()
        volumes = [mounting.volume(f"v-{number}") for number in range(32)]
        runs = await asyncio.gather(
            *(
                mounting.run(script, Mount("vo-2", "/data", trees(volume)), on_sync=syncs)
                for volume in volumes
            )
        )
        for run in runs:
            assert await run.printed() == "[0, 0, 0, 0]"
        assert len(syncs.volumes) == 128
        await mounting.close()

    asyncio.run(story())
