"""
What user code does with a volume at /data and with files elsewhere.

The volume has `a.txt` with "one" and `d/b.txt` with "two". Each of these runs as it is, or as the
text of a script, so it imports what it needs.
"""

__all__ = ["SCRIPTS", "moving", "other_libraries"]


def reading() -> None:
    import glob
    import io
    import os
    import pathlib

    assert open("/data/a.txt").read() == open("/data//./a.txt").read() == "one"
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
    shutil.copyfile("/data/a.txt", f"/tmp/copied-{os.getpid()}")
    os.remove(f"/tmp/copied-{os.getpid()}")
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


def sockets() -> None:
    import os
    import socket
    import stat

    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("/data/server")
        assert server.getsockname() == "/data/server"
        assert stat.S_ISSOCK(os.stat("/data/server").st_mode)
        server.listen()
        os.chdir("/data")
        client.connect("server")
        with server.accept()[0] as accepted:
            accepted.sendall(b"hello")
            assert client.recv(5) == b"hello"
        os.chdir("/")
    one, other = socket.socketpair()
    assert one.getsockname() == ""
    one.close(), other.close()
    with socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex("/data/none") == 2
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())


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


SCRIPTS = (reading, links, moving, working_directory, errors, other_libraries, sockets, elsewhere)
