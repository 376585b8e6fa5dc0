"""A volume in the hands of a test: its versions, and what each of them holds."""

import io
import tarfile
import threading

import pytest

from modal_emulator.emulator import running
from modal_emulator.ground.errors import Conflict, Invalid, NotFound


def archive(**files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, data in files.items():
            header = tarfile.TarInfo(name.replace("__", "/"))
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    made.seek(0)
    return made


@pytest.fixture
def volume(modal_emulator):
    volume = modal_emulator.volume("shelf", create=True)
    assert volume.import_(archive(a=b"1", d__b=b"22")) == 1
    assert volume.import_(archive(a=b"333")) == 2
    return volume


def test_versions_tell_what_they_changed(volume):
    assert [(v.number, v.base, v.via, v.paths) for v in volume.versions] == [
        (1, 0, "api", ("a", "d/b")),
        (2, 1, "api", ("a",)),
    ]
    assert volume.versions[0].at <= volume.versions[1].at


def test_old_versions_are_read(volume):
    first = volume.at(1)
    assert first.paths() == ["a", "d/b"]
    assert list(first.entries()) == ["a", "d", "d/b"]
    assert (first.read("a"), volume.head.read("a")) == (b"1", b"333")
    assert volume.head.number == 2
    assert volume.at(0).paths() == []
    assert repr(first) == "<Volume 'shelf'>.at(1)"
    with pytest.raises(NotFound, match="No such file or directory: 'x'"):
        first.read("x")
    with pytest.raises(NotFound, match="Volume 'shelf' has no version 3; the newest is 2"):
        volume.at(3)


def test_two_versions_are_compared(volume):
    (found,) = volume.diff(1)
    assert (found.path, found.kind) == ("a", "changed")
    assert (found.before.size, found.after.size) == (1, 3)
    assert [(d.path, d.kind) for d in volume.diff(1, 0)] == [
        ("a", "removed"),
        ("d", "removed"),
        ("d/b", "removed"),
    ]
    assert volume.diff(2) == ()


def test_a_version_is_written_into_a_directory(volume, tmp_path):
    volume.checkout(1, tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == b"1"
    assert (tmp_path / "out" / "d" / "b").read_bytes() == b"22"
    with pytest.raises(Conflict, match="is not an empty directory"):
        volume.checkout(2, str(tmp_path / "out"))


def test_archives_go_out_and_come_in(modal_emulator, volume, tmp_path):
    volume.export(tmp_path / "newest.tar")
    file = io.BytesIO()
    volume.export(file, version=1)
    with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as tar:
        assert tar.extractfile("a").read() == b"1"
    copy = modal_emulator.volume("copy", create=True)
    assert copy.import_(str(tmp_path / "newest.tar")) == 1
    assert copy.head.read("a") == b"333"
    with pytest.raises(Invalid, match="damaged or cut short"):
        copy.import_(io.BytesIO(b"no archive"))
    assert len(copy.versions) == 1


def test_a_volume_is_looked_up_when_it_is_asked(modal_emulator):
    volume = modal_emulator.volume("later")
    with pytest.raises(NotFound, match="Volume 'later' not found in environment 'main'"):
        _ = volume.versions
    modal_emulator.volume("later", create=True).import_(archive(a=b"1"))
    assert volume.head.paths() == ["a"]
    modal_emulator.reset()
    with pytest.raises(NotFound, match="Volume 'later' not found"):
        _ = volume.head
    with pytest.raises(NotFound, match="'nowhere'"):
        _ = modal_emulator.volume("later", environment="nowhere").head


def test_threads_may_ask_at_once(volume):
    failed = []

    def ask(number):
        try:
            for _ in range(5):
                assert volume.at(1).read("a") == b"1"
                volume.import_(archive(**{f"f{number}": b"x"}))
                assert volume.diff(0, 1)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [record.number for record in volume.versions] == list(range(1, 23))


def test_versions_outlive_the_emulator(tmp_path):
    for turn in range(3):
        with running(tmp_path) as emulator:
            volume = emulator.volume("shelf", create=True)
            volume.import_(archive(turn=str(turn).encode()))
            assert len(volume.versions) == turn + 1
            texts = [volume.at(n + 1).read("turn") for n in range(turn + 1)]
            assert texts == [str(n).encode() for n in range(turn + 1)]


APP = """
from pathlib import Path
import modal

app = modal.App("shop")
volume = modal.Volume.from_name("orders", create_if_missing=True)
DATA = Path("/data")

@app.function(volumes={"/data": volume})
def write(name):
    (DATA / name).write_text(name)
    volume.commit()
    return modal.current_function_call_id()

@app.function(volumes={"/data": volume})
def leave(name):
    (DATA / name).write_text(name)

@app.function(volumes={"/data": volume})
def reload(name):
    (DATA / name).write_text(name)
    volume.reload()

@app.function(volumes={"/data": volume})
@modal.concurrent(max_inputs=2)
def both(name):
    import time
    (DATA / name).write_text(name)
    while len(list(DATA.glob("both*"))) < 2:
        time.sleep(0.01)
    volume.commit()
"""


@pytest.mark.slow
def test_records_name_the_call_that_committed(pytester, monkeypatch):
    """With several calls at once nobody can tell whose it was, and none is named."""
    monkeypatch.setenv("MODAL_CONFIG_PATH", "/dev/null")
    pytester.makepyfile(shop=APP)
    pytester.syspathinsert()
    pytester.makepyfile("""
        import shop

        def test_calls(modal_emulator):
            volume = modal_emulator.volume("orders")
            with shop.app.run():
                first, second = shop.write.remote("a"), shop.write.remote("b")
            one, two = volume.versions
            assert (one.call, two.call) == (first, second)
            assert one.function == two.function == "write"
            assert one.container_id == two.container_id
            assert (one.base, two.base) == (0, 0)  # a commit does not reload
            assert (one.via, two.via) == ("commit", "commit")
            assert (one.paths, two.paths) == (("a",), ("b",))

        def test_at_the_end(modal_emulator):
            with shop.app.run():
                shop.leave.remote("a")
            (one,) = modal_emulator.volume("orders").versions
            assert (one.via, one.function, one.call, one.paths) == ("exit", "leave", "", ("a",))

        def test_reload(modal_emulator):
            with shop.app.run():
                call = shop.reload.spawn("a")
                call.get()
                shop.reload.remote("b")
            one, two = modal_emulator.volume("orders").versions
            assert (one.via, one.call, one.base) == ("reload", call.object_id, 0)
            assert two.base == 1

        def test_several(modal_emulator):
            with shop.app.run():
                list(shop.both.map(["both1", "both2"]))
            first = modal_emulator.volume("orders").versions[0]
            assert (first.function, first.call) == ("both", "")
    """)
    pytester.makeini("[pytest]\nmodal_background_commit_seconds = 0\n")
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=4)
