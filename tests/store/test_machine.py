"""
Volumes against a model: containers that write, commit and reload; edits; merges; restarts.

The model knows nothing of layers: a volume is a dict, a container's view is a dict, and a commit is
the difference between what the container saw last and sees now, put on the newest dict.
"""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.store.history import Committer
from modal_emulator.store.layer import read_stack
from modal_emulator.store.limits import VolumeLimits
from store.conftest import Store
from store.overlay import Overlay, disk_view

API = Committer(via="api")
LIMITS = VolumeLimits(layers=4, versions_kept=4)
Files = dict[tuple[str, ...], bytes | str | None]


def put(files: Files, parts: tuple[str, ...], what: bytes | str | None) -> None:
    for depth in range(1, len(parts)):
        if files.get(parts[:depth], b"") is not None:
            remove(files, parts[:depth])
            files[parts[:depth]] = None
    if what is not None or files.get(parts, b"") is not None:
        remove(files, parts)
        files[parts] = what


def remove(files: Files, parts: tuple[str, ...]) -> None:
    for path in [p for p in files if p[: len(parts)] == parts]:
        del files[path]


def publish(files: Files, seen: Files, now: Files) -> None:
    """Put the difference between two views on the newest files; the last writer wins."""
    for parts in sorted(seen.keys() - now.keys()):
        if parts[:-1] not in seen.keys() - now.keys():
            remove(files, parts)
    for parts in sorted(now):
        new_directory = now[parts] is None and seen.get(parts, b"") is not None
        if new_directory or (now[parts] is not None and now[parts] != seen.get(parts)):
            put(files, parts, now[parts])


class Box:
    def __init__(self, store: Store, volume: str, files: Files) -> None:
        self.checkout = store.volumes.checkout(volume, "ta")
        self.mount = Overlay(self.checkout)
        self.seen = dict(files)


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
BOXES = st.integers(0, 1)
DATA = st.sampled_from([b"", b"1", b"2", b"333"])


class VolumeMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.directory = Path(tempfile.mkdtemp(prefix="machine"))
        self.store = Store(self.directory, on_disk=False, limits=LIMITS)
        self.volume = self.store.volume()
        self.files: Files = {}
        self.past: dict[int, Files] = {}
        self.writes = 0
        self.boxes = [self.box(), self.box()]

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.directory)

    def box(self) -> Box:
        return Box(self.store, self.volume, self.files)

    # ------------------------------------------------------------ in containers

    @rule(which=BOXES, path=PATHS, data=DATA, old=st.booleans())
    def write(self, which, path, data, old):
        mount = self.boxes[which].mount
        # Each time other bytes: the model cannot tell who wrote the same again, and that counts.
        self.writes += 1
        if self.clear(mount, path):
            mount.write(path, data + b"%d" % self.writes)
        if self.clear(mount, path) and old:  # as unpacking an archive does
            os.utime(mount.upper / path, ns=(5, 5))

    @rule(which=BOXES, path=PATHS)
    def make_directory(self, which, path):
        mount = self.boxes[which].mount
        if self.parent(mount, path) and parts(path) not in mount.view():
            mount.mkdir(path)

    @rule(which=BOXES, path=PATHS, to=st.sampled_from(["a", "../b", "/etc"]))
    def make_link(self, which, path, to):
        mount = self.boxes[which].mount
        if self.parent(mount, path) and parts(path) not in mount.view():
            mount.symlink(to, path)

    @rule(which=BOXES, path=PATHS)
    def remove(self, which, path):
        mount = self.boxes[which].mount
        if parts(path) in mount.view():
            mount.remove(path)

    @rule(which=BOXES, path=PATHS)
    def open_without_writing(self, which, path):
        mount = self.boxes[which].mount
        if isinstance(mount.view().get(parts(path)), bytes):
            mount.copy_up(parts(path))

    @rule(which=BOXES, old=PATHS, new=PATHS)
    def rename(self, which, old, new):
        mount = self.boxes[which].mount
        view = mount.view()
        inside = parts(new)[: len(parts(old))] == parts(old)
        if parts(old) not in view or inside or not self.parent(mount, new):
            return
        if parts(old)[: len(parts(new))] == parts(new):
            return  # over its own directory, which is not empty
        if parts(new) in view and (view[parts(new)] is None) != (view[parts(old)] is None):
            return
        if any(path[:-1] == parts(new) for path in view):
            return  # over a directory that is not empty
        mount.rename(old, new)

    @rule(which=BOXES)
    def commit(self, which):
        box = self.boxes[which]
        now = box.mount.view()
        before = self.store.volumes.history(self.volume).head.number
        version = self.store.commit(box.checkout)
        if now == box.seen and version is not None:
            assert version.number <= before + 1
        publish(self.files, box.seen, now)
        box.seen = now

    @rule(which=BOXES, newest=st.booleans())
    def take_over(self, which, newest):
        box = self.boxes[which]
        now = box.mount.view()
        staged = self.store.volumes.stage_still(box.checkout)
        if staged is None:
            assert now == box.seen
            return
        box.checkout = self.store.volumes.replace(box.checkout, staged, API, newest=newest)
        box.mount = Overlay(box.checkout)
        publish(self.files, box.seen, now)
        box.seen = dict(self.files) if newest else now
        assert box.mount.view() == box.seen

    @rule(which=BOXES)
    def reload(self, which):
        self.commit(which)
        box = self.boxes[which]
        box.checkout = self.store.volumes.advance(box.checkout)
        box.mount = Overlay(box.checkout)
        box.seen = dict(self.files)
        assert box.mount.view() == self.files

    @rule(which=BOXES)
    def leave(self, which):
        self.store.volumes.release(self.boxes[which].checkout)
        self.boxes[which] = self.box()
        assert self.boxes[which].mount.view() == self.files

    # ------------------------------------------------------------ from outside

    @rule(path=PATHS, data=DATA, overwrite=st.booleans())
    def upload(self, path, data, overwrite):
        before = dict(self.files)
        incoming = self.store.incoming(path, data)
        try:
            self.store.volumes.put_files(self.volume, [incoming], overwrite=overwrite, by=API)
        except EmulatorError:
            assert before == self.files
            return
        put(self.files, parts(path), data)

    @rule(path=PATHS)
    def delete(self, path):
        try:
            self.store.volumes.remove(self.volume, path, recursive=True, by=API)
        except EmulatorError:
            assert parts(path) not in self.files
            return
        remove(self.files, parts(path))

    @rule(source=PATHS, into=PATHS)
    def copy(self, source, into):
        goal = parts(into)
        if goal in self.files and self.files[goal] is None:
            goal = (*goal, parts(source)[-1])
        try:
            self.store.volumes.copy(self.volume, [source], into, recursive=True, by=API)
        except EmulatorError:
            return
        above = parts(source)
        for path in sorted(p for p in self.files if p[: len(above)] == above):
            put(self.files, (*goal, *path[len(above) :]), self.files[path])

    @rule()
    def merge(self):
        merging = self.store.volumes.begin_merge(self.volume)
        if merging is not None:
            self.store.volumes.finish_merge(merging, merging.run())

    @rule()
    @precondition(lambda self: self.store.volumes.history(self.volume).head.number > 3)
    def restart(self):
        self.store.reopen()
        self.boxes = [self.box(), self.box()]

    # ------------------------------------------------------------ always

    @invariant()
    def the_volume_holds_what_the_model_holds(self):
        if not hasattr(self, "volume"):
            return
        head = self.store.volumes.history(self.volume).head
        place = self.directory / "volumes" / self.volume
        layers = [place / layer for layer in head.layers]
        assert disk_view(layers) == self.files
        assert {parts for parts, _ in head.tree.walk()} == self.files.keys()
        if layers:
            assert read_stack(layers) == head.tree
        assert len(layers) <= 4

    @invariant()
    def old_versions_hold_what_the_model_held(self):
        if not hasattr(self, "volume"):
            return
        history = self.store.volumes.history(self.volume)
        self.past.setdefault(history.head.number, dict(self.files))
        assert len(history.openable) == min(4, history.head.number)
        for number in history.openable:
            edition = self.store.volumes.edition(self.volume, number)
            assert disk_view(edition.layers) == self.past[number]
            assert {parts for parts, _ in edition.tree.walk()} == self.past[number].keys()
            edition.close()
        needed = {
            name for layers in (*history.kept.values(), history.head.layers) for name in layers
        }
        needed.update(layer.name for box in self.boxes for layer in box.checkout.layers)
        place = self.directory / "volumes" / self.volume
        assert {path.name for path in place.glob("l*")} <= needed

    # ------------------------------------------------------------ conditions

    def parent(self, mount: Overlay, path: str) -> bool:
        above = parts(path)[:-1]
        return not above or mount.view().get(above, b"") is None

    def clear(self, mount: Overlay, path: str) -> bool:
        """Say whether a file can be written: in directories that are there or can be made."""
        view = mount.view()
        above = [parts(path)[:depth] for depth in range(1, len(parts(path)))]
        return isinstance(view.get(parts(path), b""), bytes) and all(
            view.get(directory) is None for directory in above
        )


def parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


TestVolumeMachine = VolumeMachine.TestCase
TestVolumeMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
