"""What a container wrote, as the kernel leaves it, becomes explicit changes."""

import dataclasses
import errno
import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from modal_emulator.ground.removal import remove_tree
from modal_emulator.store import changes
from modal_emulator.store.checkout import Checkout
from modal_emulator.store.drafts import Draft
from modal_emulator.store.history import Version
from modal_emulator.store.layer import apply, describe, make_removal, read_stack
from modal_emulator.store.tree import Kind
from store.overlay import Overlay, disk_view, set_attribute

LONG_AGO = 1_600_000_000_000_000_000


class Box:
    """A checkout over one base layer, staged and published without a volume around it."""

    def __init__(self, directory: Path, files: dict[str, bytes]) -> None:
        self.directory = directory
        base = directory / "base"
        base.mkdir()
        for name, data in files.items():
            path = base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir()
            else:
                path.write_bytes(data)
                os.utime(path, ns=(LONG_AGO, LONG_AGO))
        os.utime(base, ns=(LONG_AGO, LONG_AGO))
        self.layers = [base]
        tree = read_stack(self.layers)
        (directory / "room").mkdir()
        self.checkout = Checkout.begin(
            "vo-1", "ta-1", Version(1, tree), (base,), Checkout.lay_out(directory / "room")
        )
        self.mount = Overlay(self.checkout)

    def stage(self, stored=frozenset()):
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        return self.checkout.stage(Draft(directory, self.checkout.seen), stored)

    def commit(self, stored=frozenset()) -> dict[str, str]:
        """Commit, check that the new layer shows what the container sees, return the changes."""
        staged = self.stage(stored)
        if staged is None:
            return {}
        if staged.written.changes:
            self.layers.insert(0, staged.written.directory)
        seen = apply(self.checkout.seen, staged.written.changes)
        self.checkout = self.checkout.committed(staged, seen)
        assert disk_view(self.layers) == self.mount.view()
        assert dict(read_stack(self.layers).walk()) == dict(seen.walk())
        return {
            "/".join(change.parts): "gone" if change.entry is None else change.entry.kind.value
            for change in staged.written.changes
            if change.parts
        }


@pytest.fixture
def box(tmp_path):
    made = []

    def make(**files: bytes) -> Box:
        """In the names, two underscores stand for a slash."""
        made.append(Box(tmp_path, {n.replace("__", "/"): data for n, data in files.items()}))
        return made[-1]

    return make


# -------------------------------------------------------------------- plain changes


def test_nothing_written_is_nothing_to_commit(box):
    box = box(a=b"1", d__b=b"2")
    assert box.commit() == {}
    assert box.stage() is None


def test_new_and_changed_files_are_copied(box):
    box = box(a=b"1", d__b=b"2")
    box.mount.write("a", "changed")
    box.mount.write("new/deep/file", "new")
    assert box.commit() == {"a": "f", "new": "d", "new/deep": "d", "new/deep/file": "f"}
    assert box.commit() == {}


def test_a_second_commit_takes_only_what_changed_since(box):
    box = box(a=b"1")
    box.mount.write("b", "2")
    box.mount.write("c", "3")
    assert box.commit() == {"b": "f", "c": "f"}
    box.mount.write("c", "three")
    assert box.commit() == {"c": "f"}


def test_a_tree_may_be_deeper_than_the_stack(box):
    box = box()
    place = str(box.checkout.changes)
    for _ in range(700):
        place += "/d"
        Path(place).mkdir()
    written = box.stage().written
    assert written.shown.get(("d",) * 700).is_directory
    assert written.shown.count == 700
    remove_tree(box.directory)  # pytest, which removes what it made, calls itself per level


def same_tick(box, name):
    """Make the last commit look as if it was in the tick in which the file was changed again."""
    status = (box.checkout.changes / name).stat()
    marks = dict(box.checkout.marks)
    mark = marks[(name,)]
    entry = dataclasses.replace(mark.entry, mtime_ns=status.st_mtime_ns)
    marks[(name,)] = dataclasses.replace(mark, entry=entry, ctime_ns=status.st_ctime_ns)
    box.checkout = dataclasses.replace(box.checkout, marks=marks)


def test_a_change_in_the_same_instant_and_of_the_same_size_is_seen(box, monkeypatch):
    monkeypatch.setattr(changes, "_RACY_NS", 1 << 62)  # however long this test takes
    box = box(below=b"1")
    box.mount.write("a", "1")
    box.mount.copy_up(("below",))
    assert box.commit() == {"a": "f"}
    (box.checkout.changes / "a").write_text("2")
    same_tick(box, "a")
    assert box.commit() == {"a": "f"}
    assert (box.layers[0] / "a").read_text() == "2"
    (box.checkout.changes / "below").write_text("2")
    same_tick(box, "below")
    assert box.commit() == {"below": "f"}


def test_bytes_kept_for_comparison_are_dropped_once_times_can_be_trusted(box, monkeypatch):
    monkeypatch.setattr(changes, "_RACY_NS", 1 << 62)
    box = box()
    box.mount.write("a", "1")
    assert box.commit() == {"a": "f"}
    assert len(list(box.checkout.kept.iterdir())) == 1
    assert box.stage() is None  # too fresh still: compared, and the same
    monkeypatch.setattr(changes, "_RACY_NS", -(1 << 62))
    assert box.commit() == {}
    assert not any(box.checkout.kept.iterdir())
    assert box.stage() is None
    box.mount.write("a", "22")
    assert box.commit() == {"a": "f"}
    assert not any(box.checkout.kept.iterdir())


def test_what_was_stored_through_memory_without_a_stamp_is_found_by_comparing(box, monkeypatch):
    monkeypatch.setattr(changes, "_RACY_NS", -(1 << 62))
    box = box(below=b"0")
    box.mount.write("a", "1")
    box.mount.copy_up(("below",))
    assert box.commit() == {"a": "f"}
    stored = frozenset((box.checkout.changes / name).stat().st_ino for name in ("a", "below"))
    for text in ("2", "3"):
        (box.checkout.changes / "a").write_text(text)
        same_tick(box, "a")
        if text == "2":
            assert box.stage() is None  # nothing tells that it was changed
        assert box.commit(stored)["a"] == "f"
        assert (box.layers[0] / "a").read_text() == text
    assert box.commit(stored) == {}
    assert len(list(box.checkout.kept.iterdir())) == 2
    assert box.commit() == {}
    # With nothing left to compare with, it has to count as changed.
    assert box.commit(stored) == {"a": "f", "below": "f"}


def test_removals(box):
    box = box(a=b"1", d__x=b"", d__y=b"", e__z=b"")
    box.mount.remove("a")
    box.mount.remove("d/x")
    box.mount.remove("e")
    assert box.commit() == {"a": "gone", "d": "d", "d/x": "gone", "e": "gone"}
    assert box.commit() == {}


def test_what_was_committed_from_here_and_vanished_is_removed(box):
    box = box(a=b"1")
    for name in ("new", "d/x", "d/y", "e/f/g"):
        box.mount.write(name, "n")
    box.commit()
    for name in ("new", "d/x", "e"):
        box.mount.remove(name)
    assert box.commit() == {"new": "gone", "d": "d", "d/x": "gone", "e": "gone"}
    assert box.commit() == {}
    box.mount.write("new", "again")
    assert box.commit() == {"new": "f"}


def test_a_directory_becomes_a_file_and_back(box):
    box = box(d__x=b"1")
    box.mount.remove("d")
    box.mount.write("d", "file")
    assert box.commit() == {"d": "f"}
    box.mount.remove("d")
    box.mount.mkdir("d")
    box.mount.write("d/y", "2")
    assert box.commit() == {"d": "d", "d/y": "f"}


def test_a_directory_committed_from_here_becomes_a_file(box):
    box = box()
    box.mount.write("d/x", "1")
    box.commit()
    box.mount.remove("d")
    box.mount.write("d", "file")
    assert box.commit() == {"d": "f"}


def test_modes_and_times_are_changes_too(box):
    box = box(a=b"1", d__x=b"1")
    box.mount.copy_up(("a",)).chmod(0o600)
    os.utime(box.mount.copy_up(("d",)), ns=(1, 2))
    assert box.commit() == {"a": "f", "d": "d"}
    assert stat.S_IMODE((box.layers[0] / "a").stat().st_mode) == 0o600
    assert (box.layers[0] / "d").stat().st_mtime_ns == 2
    box.checkout.changes.chmod(0o711)
    assert box.stage().written.changes[0].parts == ()


def test_a_file_opened_for_writing_but_not_changed_is_no_change(box):
    box = box(a=b"1", d__b=b"2")
    box.mount.copy_up(("a",))
    box.mount.copy_up(("d", "b"))
    assert box.commit() == {}


def test_a_file_that_was_removed_and_is_back_with_its_old_time_is_a_change(box):
    box = box(d__a=b"1")
    box.mount.remove("d")
    assert box.commit() == {"d": "gone"}
    box.mount.write("d/a", b"1")
    os.utime(box.checkout.changes / "d" / "a", ns=(LONG_AGO, LONG_AGO))
    assert box.commit() == {"d": "d", "d/a": "f"}


def test_a_file_with_the_same_size_and_time_but_other_bytes_is_a_change(box):
    box = box(a=b"1")
    path = box.mount.copy_up(("a",))
    path.write_bytes(b"2")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    assert box.commit() == {"a": "f"}


def test_links_pipes_and_sockets(box):
    box = box(a=b"1")
    upper = box.checkout.changes
    box.mount.symlink("../outside//it", "link")
    os.mkfifo(upper / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(upper / "socket"))
    assert box.commit() == {"fifo": "p", "link": "l", "socket": "s"}
    assert box.commit() == {}
    assert describe(box.layers[0] / "link").target == "../outside//it"
    box.mount.remove("link")
    box.mount.symlink("elsewhere", "link")
    assert box.commit() == {"link": "l"}


def test_odd_names(box):
    box = box()
    name = os.fsdecode(b"odd \xff\n\\")
    box.mount.write(f"grüße/{name}", "1")
    assert box.commit() == {"grüße": "d", f"grüße/{name}": "f"}


def test_devices_are_not_kept_but_hide_what_is_below(box, monkeypatch):
    box = box(a=b"1")
    real = changes.describe

    def pretend(path, status=None):
        return None if Path(path).name in ("a", "null") else real(path, status)

    monkeypatch.setattr(changes, "describe", pretend)
    box.mount.write("a", "device")
    box.mount.write("null", "device")
    staged = box.stage()
    assert [(c.parts, c.entry) for c in staged.written.changes if c.parts] == [(("a",), None)]


# -------------------------------------------------------------------- opaque and redirected


def test_a_directory_made_again_removes_what_the_base_had_by_name(box):
    box = box(d__x=b"1", d__y=b"2", d__s__z=b"3")
    box.mount.remove("d")
    box.mount.write("d/y", "new")
    box.mount.write("d/s/other", "new")
    assert box.commit() == {
        "d": "d",
        "d/s": "d",
        "d/s/other": "f",
        "d/s/z": "gone",
        "d/x": "gone",
        "d/y": "f",
    }
    assert box.commit() == {}


def test_a_removed_then_committed_then_made_again_directory_removes_nothing_twice(box):
    box = box(d__x=b"1")
    box.mount.remove("d")
    assert box.commit() == {"d": "gone"}
    box.mount.write("d/y", "2")
    assert box.commit() == {"d": "d", "d/y": "f"}


def test_a_renamed_directory_brings_its_files_by_links(box):
    box = box(d__x=b"1", d__s__y=b"2", other=b"3")
    box.mount.rename("d", "e")
    assert box.commit() == {"d": "gone", "e": "d", "e/s": "d", "e/s/y": "f", "e/x": "f"}
    assert (box.layers[0] / "e/x").stat().st_ino == (box.layers[1] / "d/x").stat().st_ino
    assert box.commit() == {}


def test_a_renamed_directory_with_changes_in_it(box):
    box = box(d__x=b"1", d__y=b"2", d__z=b"3")
    box.mount.rename("d", "e")
    box.mount.write("e/x", "changed")
    box.mount.remove("e/y")
    box.mount.write("e/new", "n")
    assert box.commit() == {"d": "gone", "e": "d", "e/new": "f", "e/x": "f", "e/z": "f"}
    box.mount.remove("e/z")
    assert box.commit() == {"e": "d", "e/z": "gone"}


def test_a_directory_renamed_within_its_own(box):
    box = box(p__d__x=b"1")
    box.mount.rename("p/d", "p/e")
    set_attribute(box.checkout.changes / "p" / "e", "redirect", "d")  # as the kernel shortens it
    assert box.commit() == {"p": "d", "p/d": "gone", "p/e": "d", "p/e/x": "f"}
    box.mount.rename("p", "q")
    assert box.commit() == {"p": "gone", "q": "d", "q/e": "d", "q/e/x": "f"}


def test_a_directory_renamed_over_another(box):
    box = box(
        d__x=b"1",
        d__s__a=b"2",
        d__s__both=b"2",
        e__x=b"3",
        e__y=b"4",
        e__s__b=b"5",
        e__s__both=b"5",
        e__t__c=b"6",
    )
    box.mount.rename("d", "e")
    found = box.commit()
    assert {path: what for path, what in found.items() if what != "d"} == {
        "d": "gone",
        "e/s/a": "f",
        "e/s/b": "gone",
        "e/s/both": "f",
        "e/t": "gone",
        "e/x": "f",
        "e/y": "gone",
    }


def test_a_directory_renamed_away_and_back(box):
    box = box(d__x=b"1")
    box.mount.rename("d", "e")
    assert box.commit() == {"d": "gone", "e": "d", "e/x": "f"}
    box.mount.rename("e", "d")
    assert box.commit() == {"d": "d", "d/x": "f", "e": "gone"}


def test_files_that_were_changed_and_are_seen_as_the_base_has_them_again(box):
    box = box(d__x=b"1", d__y=b"2")
    box.mount.write("d/x", "changed")
    box.mount.remove("d/y")
    box.commit()
    # As if the kernel had dropped what was written: whatever made it so, the view counts.
    (box.checkout.changes / "d" / "x").unlink()
    (box.checkout.changes / "d" / "y").unlink()
    assert {"d/x", "d/y"} <= set(box.commit())


def test_a_plain_directory_over_a_removed_one_inside_an_opaque_one(box):
    box = box(d__s__x=b"1")
    box.mount.remove("d")
    box.mount.mkdir("d")
    box.mount.mkdir("d/s")
    assert box.commit() == {"d": "d", "d/s": "d", "d/s/x": "gone"}


def test_other_attributes_say_nothing(box):
    box = box(d__x=b"1")
    path = box.mount.copy_up(("d",))
    os.setxattr(path, "user.other", b"y")
    os.setxattr(path, "user.overlay.impure", b"y")
    assert box.commit() == {}


# -------------------------------------------------------------------- while files change


def vanish(monkeypatch, room, call, path, code=errno.ENOENT):
    """Let a path go just before it is looked at in this way."""
    real = getattr(room, call)

    def look(where, *rest, **more):
        if Path(where) == path:
            raise OSError(code, os.strerror(code))
        return real(where, *rest, **more)

    monkeypatch.setattr(room, call, look)


def test_what_goes_while_we_look_is_not_there(box, monkeypatch):
    box = box()
    box.mount.write("a", "1")
    box.mount.write("b", "2")
    vanish(monkeypatch, changes, "describe", box.checkout.changes / "a")
    assert [c.parts for c in box.stage().written.changes if c.parts] == [("b",)]


def test_what_goes_before_it_is_copied_is_not_there(box, monkeypatch):
    box = box()
    box.mount.write("a", "1")
    box.mount.write("b", "2")
    vanish(monkeypatch, os, "open", box.checkout.changes / "a")
    assert [c.parts for c in box.stage().written.changes if c.parts] == [("b",)]


LOOKS = [(os, "scandir"), (os, "listxattr"), (changes, "describe")]


@pytest.mark.parametrize(("room", "call"), LOOKS)
def test_a_directory_that_goes_while_we_look_is_seen_next_time(box, monkeypatch, room, call):
    box = box(d__old=b"")
    box.mount.write("d/x", "1")
    with monkeypatch.context() as patch:
        vanish(patch, room, call, box.checkout.changes / "d", errno.ENOTDIR)
        box.stage()
    assert box.commit()["d/x"] == "f"


@pytest.mark.parametrize(("room", "call"), LOOKS)
def test_other_errors_are_told(box, monkeypatch, room, call):
    box = box()
    box.mount.write("d/x", "1")
    vanish(monkeypatch, room, call, box.checkout.changes / "d", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        box.stage()


def test_an_open_file_is_committed_as_it_is(box):
    box = box()
    with (box.checkout.changes / "log").open("w") as log:
        log.write("one")
        log.flush()
        assert box.commit() == {"log": "f"}
        assert (box.layers[0] / "log").read_text() == "one"
        log.write("two")
    assert box.commit() == {"log": "f"}
    assert (box.layers[0] / "log").read_text() == "onetwo"


def test_removals_by_hand_of_nothing_are_nothing(box):
    box = box(a=b"1")
    make_removal(box.checkout.changes / "ghost")
    staged = box.stage()
    assert [change.parts for change in staged.written.changes] == [()]  # its time, no more


def test_the_root_is_laid_out_as_the_base_has_it(box):
    box = box(a=b"1")
    assert box.checkout.changes.stat().st_mtime_ns == box.checkout.base.tree.get(()).mtime_ns
    assert Kind.DIRECTORY is box.checkout.base.tree.get(()).kind
