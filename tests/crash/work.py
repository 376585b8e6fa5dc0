"""
Work on a store that is killed at a chosen moment, and what has to be there afterwards.

The work is one thread and its chance comes from a seed, so it does the same things each time: its
moments are the calls to the operating system that Python tells of, and those to the database. It
is killed at one of them by its own hand. It says what it begins, and what was acknowledged.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.ids import Ids
from modal_emulator.store.checkout import Checkout
from modal_emulator.store.history import Committer
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.names import Creation
from modal_emulator.store.volumes import Incoming
from store.conftest import Store

LIMITS = VolumeLimits(layers=4, versions_kept=3)
VOLUMES = ("one", "two")
DIRECTORIES = ("a", "b", "b/c")
Files = dict[str, str]
Step = dict[str, object]


class OpenedStore(Store):
    """A store with ids that no other opening of its directory has given out."""

    def __init__(self, directory: Path, seed: int = 0) -> None:
        self.seed = seed
        super().__init__(directory, limits=LIMITS)

    def open(self) -> None:
        self.ids = Ids(seed=self.seed, salt="crash")
        super().open()


@dataclass
class Expected:
    """What each volume has to hold: per version, the text of each file; None if it is deleted."""

    volumes: dict[str, dict[int, Files]] = field(default_factory=dict)

    def after(self, step: Step) -> "Expected":
        """Return what has to be there when a step is done."""
        changed = Expected(dict(self.volumes))
        name = str(step["volume"])
        if step["do"] == "delete":
            changed.volumes.pop(name, None)
            return changed
        versions = changed.volumes.setdefault(name, {0: {}})
        if "files" in step:
            number = max(versions) + 1
            versions = {**versions, number: dict(step["files"])}
        changed.volumes[name] = versions
        return changed


class Worker:
    """Does one random thing after the other until it is killed."""

    def __init__(
        self, store: Store, chance: random.Random, fuse: "Fuse", say: Callable[[Step], None]
    ) -> None:
        self.store = store
        self.chance = chance
        self.fuse = fuse
        self.say = say
        self.views: dict[str, Checkout] = {}
        self.by = Committer("ta", via="commit")

    def run(self) -> None:
        doings = (
            *[self.commit] * 4,
            *[self.upload] * 3,
            self.reload,
            self.copy,
            self.remove,
            self.merge,
            self.delete,
            self.tidy,
        )
        while True:
            self.chance.choice(doings)(self.chance.choice(VOLUMES))

    # ---------------------------------------------------------------- each thing

    def commit(self, name: str) -> None:
        view = self.view(name)
        files = self.scribble(view)
        self.begin("commit", name, {**self.files(name), **files})
        staged = self.store.volumes.stage(view)
        assert staged is not None
        self.store.volumes.publish(view, staged, self.by)
        self.done()

    def reload(self, name: str) -> None:
        view = self.view(name)
        files = self.scribble(view)
        self.begin("reload", name, {**self.files(name), **files})
        staged = self.store.volumes.stage_still(view)
        assert staged is not None
        newest = self.chance.random() < 0.5
        self.views[name] = self.store.volumes.replace(view, staged, self.by, newest=newest)
        self.done()

    def upload(self, name: str) -> None:
        pieces, size = self.chance.choice([1, 3]), 700
        texts = [self.text(size) for _ in range(pieces)]
        incoming = {}
        for path in self.some_paths():
            digests = tuple(self.store.content.add(text.encode()) for text in texts)
            incoming[path] = Incoming(path, pieces * size, 0o644, digests, size)
        volume = self.volume(name)
        self.begin("upload", name, {**self.files(name), **dict.fromkeys(incoming, "".join(texts))})
        self.store.volumes.put_files(
            volume, list(incoming.values()), overwrite=True, by=Committer(via="api")
        )
        self.done()

    def copy(self, name: str) -> None:
        files, target = self.files(name), f"copy-{self.chance.randrange(3)}"
        if not files.keys() - {target}:
            return
        source = self.chance.choice(sorted(files.keys() - {target}))
        self.begin("copy", name, {**files, target: files[source]})
        self.store.volumes.copy(
            self.volume(name), [source], target, recursive=False, by=Committer(via="api")
        )
        self.done()

    def remove(self, name: str) -> None:
        files = self.files(name)
        if not files:
            return
        path = self.chance.choice(sorted(files)).partition("/")[0]
        left = {p: text for p, text in files.items() if p.partition("/")[0] != path}
        self.begin("remove", name, left)
        self.store.volumes.remove(self.volume(name), path, recursive=True, by=Committer(via="api"))
        self.done()

    def merge(self, name: str) -> None:
        merging = self.store.volumes.begin_merge(self.volume(name))
        if merging is not None:
            self.store.volumes.finish_merge(merging, merging.run())

    def delete(self, name: str) -> None:
        volume = self.volume(name)
        self.begin("delete", name)
        self.store.volumes.delete(volume)
        view = self.views.pop(name, None)
        if view is not None:
            self.store.volumes.release(view)
        self.done()

    def tidy(self, name: str) -> None:
        view = self.views.pop(name, None)
        if view is not None:
            self.store.volumes.release(view)
        self.store.volumes.empty_trash()

    # ---------------------------------------------------------------- what they share

    def begin(self, what: str, name: str, files: Files | None = None) -> None:
        self.say({"do": what, "volume": name, **({} if files is None else {"files": files})})

    def done(self) -> None:
        self.say({})

    def volume(self, name: str) -> str:
        try:
            return self.store.volumes.get_or_create(
                name=name, environment="", creation=Creation.LOOKUP
            ).volume_id
        except EmulatorError:
            self.begin("create", name)
            made = self.store.volume(name, version=self.chance.choice([1, 2]))
            self.done()
            return made

    def view(self, name: str) -> Checkout:
        """Return a view of the newest version: others' edits are not its subject here."""
        volume = self.volume(name)
        view = self.views.get(name)
        head = self.store.volumes.history(volume).head
        if view is None or self.chance.random() < 0.3:
            if view is not None:
                self.store.volumes.release(view)
            view = self.store.volumes.checkout(volume, "ta")
        self.views[name] = view
        assert head is self.store.volumes.history(volume).head
        return view

    def files(self, name: str) -> Files:
        volume = self.volume(name)
        self.fuse.burns = False  # reading is no moment
        found = self.store.files(volume)
        self.fuse.burns = True
        return {path: data.decode() for path, data in found.items()}

    def scribble(self, view: Checkout) -> Files:
        """Write as a container does, without looking at what is below."""
        files = {path: self.text(self.chance.choice([5, 9000])) for path in self.some_paths()}
        for path, text in files.items():
            place = view.changes / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return files

    def some_paths(self) -> list[str]:
        names = [*(f"{d}/{n}" for d in DIRECTORIES for n in "xyz"), "top"]
        return self.chance.sample(names, self.chance.randint(1, 5))

    def text(self, size: int) -> str:
        return format(self.chance.getrandbits(60), "x").ljust(size, ".")


# -------------------------------------------------------------------- being killed


class Fuse:
    """Kills this process at the so-manieth moment from now on."""

    def __init__(self, moments: int) -> None:
        self.left = moments
        self.burns = True

    def burn(self, event: str, _arguments: object) -> None:
        if event == "open" or event.startswith(("os.", "shutil.", "sqlite3.")):
            self.tick()

    def tick(self) -> None:
        self.left -= self.burns
        if self.left < 0 and self.burns:
            self.burns = False  # the kill is a moment, too
            os.kill(os.getpid(), signal.SIGKILL)


def work(directory: Path, seed: int, moments: int, log: int) -> None:
    """Work in this process until it is killed; every word goes into the open file `log`."""
    fuse = Fuse(moments)
    execute = Ledger._execute

    def watched(self: Ledger, statement: str, *values: str | bytes) -> object:
        fuse.tick()
        done = execute(self, statement, *values)
        fuse.tick()
        return done

    def say(step: Step) -> None:
        os.write(log, json.dumps(step).encode() + b"\n")

    Ledger._execute = watched  # type: ignore[method-assign]
    sys.addaudithook(fuse.burn)
    Worker(OpenedStore(directory, seed), random.Random(seed), fuse, say).run()
