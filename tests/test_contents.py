"""What a volume holds, written, read and expected by a test."""

import asyncio
import hashlib
import os
from pathlib import Path

import modal
import pytest

from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.store.tree import Kind
from modal_emulator.volume import Link


@pytest.fixture
def volume(modal_emulator):
    return modal_emulator.volume("shelf")


def failure(check, *args, **options):
    with pytest.raises(AssertionError) as caught:
        check(*args, **options)
    return str(caught.value).splitlines()


def test_a_file_is_written_and_read(volume):
    assert not volume.exists()
    assert volume.write("d/a.txt", "grüße\n") == 1
    text = "grüße\n"
    assert (volume.read("d/a.txt"), volume.read_text("d/a.txt")) == (text.encode(), text)
    assert volume.head.read_text("d/a.txt", "latin-1") == text.encode().decode("latin-1")
    assert volume.exists() and volume.exists("d") and volume.exists("/d/a.txt")
    assert not volume.exists("d/b")
    assert volume.head.exists("d") and not volume.at(0).exists("d")
    assert volume.write("d/a.txt", b"") == 2
    assert volume.read("d/a.txt") == b""
    assert volume.write("d/a.txt", "old", mtime=1.5) == 3
    assert volume.head.entries()["d/a.txt"].mtime_ns == 1_500_000_000


def test_a_tree_goes_in_as_it_comes_out(modal_emulator, volume):
    files = {
        "empty/": None,
        "latest": Link("runs/2"),
        "pixel": b"\xff\x00",
        "runs/1": "one",
        "runs/2": "two\n",
        "zeros": b"a\x00b",
    }
    assert volume.write(files) == 1
    assert volume.tree() == files
    assert volume.head.tree() == files
    assert volume.paths() == ["latest", "pixel", "runs/1", "runs/2", "zeros"]
    copy = modal_emulator.volume("copy")
    copy.write(volume.tree())
    assert copy.tree() == files


def test_versions_say_that_it_was_the_test(volume):
    volume.write({"a": "1", "b": "2"})
    volume.remove("a")
    first, second = volume.versions
    name = "tests/test_contents.py::test_versions_say_that_it_was_the_test"
    assert (first.via, first.function, first.paths) == ("api", name, ("a", "b"))
    assert (second.via, second.function, second.paths) == ("api", name, ("a",))
    assert volume.at(1).tree() == {"a": "1", "b": "2"}
    assert volume.tree() == {"b": "2"}


def test_all_or_nothing_is_written(volume):
    volume.write("d/a", "1")
    with pytest.raises(Invalid, match="'d' is a directory in the Volume, and not in what is to be"):
        volume.write({"b": "2", "d": "3"})
    with pytest.raises(TypeError, match="'n' can hold str or bytes, not int"):
        volume.write({"b": "2", "n": 3})
    with pytest.raises(Invalid, match=r"'e/' is a directory's path; write None to it"):
        volume.write("e/", "text")
    with pytest.raises(Invalid, match=r"'\.\.' is not allowed"):
        volume.write("../a", "1")
    with pytest.raises(Invalid, match=r"'p': Kind\.FIFO cannot be written"):
        volume.write("p", Kind.FIFO)
    assert volume.tree() == {"d/a": "1"}
    assert len(volume.versions) == 1


def test_directories_are_removed_recursively(volume):
    volume.write({"d/a": "1", "b": "2"})
    with pytest.raises(Invalid, match="remove it recursively"):
        volume.remove("d")
    assert volume.remove("d", recursive=True) == 2
    assert volume.tree() == {"b": "2"}
    with pytest.raises(NotFound, match="No such file or directory: 'x'"):
        volume.remove("x")


def test_the_version_of_the_file_system_is_chosen(modal_emulator):
    modal_emulator.volume("two", version=2).write("a", "1")
    assert modal_emulator.volume("two").tree() == {"a": "1"}
    with pytest.raises(Invalid, match="Volume 'two' has version 2"):
        modal_emulator.volume("two", version=1).tree()
    with pytest.raises(Invalid, match="must be either 1 or 2"):
        modal_emulator.volume("three", version=3, create=True).tree()


def test_a_volume_of_another_environment(modal_emulator):
    with pytest.raises(NotFound, match="'stage'"):
        modal_emulator.volume("shelf", environment="stage").write("a", "1")
    assert not modal_emulator.volume("shelf").exists()


def test_a_directory_is_seeded(volume, tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "a").write_text("1")
    (tmp_path / "d" / "a").chmod(0o750)
    os.utime(tmp_path / "d" / "a", ns=(7, 7))
    (tmp_path / "l").symlink_to("d/a")
    assert volume.seed(tmp_path) == 1
    assert volume.tree() == {"d/a": "1", "d/e/": None, "l": Link("d/a")}
    assert volume.read("l") == b"1"
    entry = volume.head.entries()["d/a"]
    assert (entry.mode, entry.mtime_ns) == (0o750, 7)
    with pytest.raises(NotADirectoryError, match="nowhere is not a directory"):
        volume.seed(tmp_path / "nowhere")


def test_what_is_expected_is_there(volume):
    volume.write({"a": "1", "b": b"\xff", "c/d": "x", "e/": None, "l": Link("a")})
    volume.assert_tree({"a": b"1", "/b": b"\xff", "c/d": ..., "e/": None, "l": Link("a")})
    volume.assert_tree({"a": "1", "c/": None, "c/d": ...} | {"e/": ...}, exact=False)
    volume.assert_tree({}, exact=False)
    volume.at(0).assert_tree({})


def test_what_is_not_as_expected_is_told(volume):
    volume.write({"a": "one\ntwo\nthree\n", "gone": "1", "bin": b"\xff\x00", "l": Link("a")})
    volume.write({"a": "one\n2\nthree", "more/": None})
    volume.remove("gone")
    by = "version 2, api by tests/test_contents.py::test_what_is_not_as_expected_is_told"
    expected = {"a": "one\ntwo\nthree\n", "gone": "1", "bin": b"\xff", "l": "text"}
    assert failure(volume.assert_tree, expected) == [
        "Volume 'shelf', version 3, is not as expected",
        f"  different: a ({by})",
        "    --- expected",
        "    +++ found",
        "    @@ -1,3 +1,3 @@",
        "     one",
        "    -two",
        "    -three",
        "    +2",
        "    +three",
        "    \\ No newline at end of file",
        f"  different: bin ({by.replace('2', '1', 1)})",
        "    expected: 1 bytes, sha256 a8100ae6aa1940d0",
        f"    found:    2 bytes, sha256 {hashlib.sha256(bytes((255, 0))).hexdigest()[:16]}",
        f"  missing: gone ({by.replace('2', '3', 1)})",
        f"  different: l ({by.replace('2', '1', 1)})",
        "    expected: text of 4 bytes: 'text'",
        "    found:    a link to 'a'",
        f"  unexpected: more/ (an empty directory; {by})",
    ]
    assert len(failure(volume.assert_tree, expected, exact=False)) == 18
    assert failure(volume.at(1).assert_tree, {"l": ..., "bin": ..., "gone": "1", "a/": None}) == [
        "Volume 'shelf', version 1, is not as expected",
        f"  unexpected: a (14 bytes; {by.replace('2', '1', 1)})",
        f"  missing: a/ ({by.replace('2', '1', 1)})",
    ]


def test_long_differences_are_cut(volume):
    volume.write("a", "\n".join(str(n) for n in range(1000)))
    told = failure(volume.assert_tree, {"a": "\n".join(str(-n) for n in range(1000))})
    assert len(told) < 40
    assert told[-1].strip().startswith("... ") and told[-1].endswith(" more lines")


def test_the_traceback_ends_in_the_test(pytester):
    pytester.makepyfile("""
        def test_tree(modal_emulator):
            modal_emulator.volume("shelf").write("a", "1")
            modal_emulator.volume("shelf").assert_tree({"a": "2"})

        def test_read(modal_emulator):
            modal_emulator.volume("shelf", create=True).read("nothing")
    """)
    result = pytester.runpytest("-q", "--tb=long")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*Volume 'shelf', version 1, is not as expected", "*-2", "*+1"])
    result.stdout.fnmatch_lines(["*NotFound: No such file or directory: 'nothing'"])
    for room in ("volume.py", "hosting.py", "transfers.py", "editions.py"):
        assert room not in result.stdout.str()


asking = modal.App("asking")
data = modal.Volume.from_name("data", create_if_missing=True)
lent = []


@asking.function(volumes={"/data": data})
def ask():
    (emulator,) = lent
    Path("/data/a").write_text("1")
    data.commit()
    emulator.volume("shelf").write("b", "2")
    emulator.secret("s", KEY="v")
    emulator.volume("data").write("c", "3")
    data.reload()
    return emulator.volume("data").tree(), Path("/data/c").read_text()


@pytest.mark.modal(runtime="inline", isolation="plain")
def test_code_of_a_container_asks_like_a_test(modal_emulator, volume, monkeypatch):
    """Its thread waits for the loop as any other; the loop answers the SDK meanwhile."""
    monkeypatch.setattr(f"{__name__}.lent", [modal_emulator])
    with asking.run():
        assert ask.remote() == ({"a": "1", "c": "3"}, "3")
    volume.assert_tree({"b": "2"})
    assert modal_emulator.secret("s").keys == ("KEY",)


def test_a_coroutine_of_a_test_may_ask(volume):
    async def test():
        volume.write("a", "1")
        return volume.tree()

    assert asyncio.run(test()) == {"a": "1"}


def test_the_own_thread_of_the_emulator_may_not_ask(modal_emulator, volume):
    """It would wait for itself."""
    heard = []

    def on_the_loop(line):
        with pytest.raises(RuntimeError, match="lives on the thread that asks it"):
            volume.write("a", "1")
        heard.append(line)

    app = modal.App("shouts")
    shout = app.function(serialized=True, name="shout")(lambda: print("hello"))
    modal_emulator.on_log(on_the_loop)
    with app.run():
        shout.remote()
    assert heard
