"""
Random work through real overlay mounts, compared at each commit; run in a mount namespace.

What the kernel shows of a checkout, what the stored layers hold and what the tree says must be
one. Arguments: a directory, mount options besides the usual ones, and a seed.
"""

import contextlib
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.store.content import Content
from modal_emulator.store.environments import Environments
from modal_emulator.store.history import Committer
from modal_emulator.store.layer import describe, read_stack
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.names import Creation, Names
from modal_emulator.store.tree import Kind, Tree
from modal_emulator.store.volumes import Volumes

STEPS = 30
NAMES = "abc"


def grow(root: Path) -> None:
    for name in ("a/x", "a/b/y", "b/z"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


# A directory of the layers below is renamed, back again, over another, and deeper.
PRELUDE = [
    grow,
    lambda root: shutil.move(root / "a", root / "c"),
    lambda root: shutil.move(root / "c", root / "a"),
    lambda root: ((root / "b" / "z").unlink(), shutil.move(root / "a" / "b", root / "b" / "a")),
    lambda root: ((root / "b" / "a" / "y").write_text("new"), (root / "a" / "b").mkdir()),
    lambda root: shutil.move(root / "b", root / "c"),
]


def open_volumes(directory: Path) -> Volumes:
    ledger, clock, ids = Ledger(None), VirtualClock(), Ids()
    names = Names(ledger, clock, ids)
    return Volumes(
        ledger=ledger,
        names=names,
        environments=Environments(ledger, names, clock, ids),
        directory=directory / "volumes",
        content=Content(directory / "content"),
        clock=clock,
        ids=ids,
        journal=Journal(clock),
        limits=VolumeLimits(layers=4),
    )


class Mount:
    """A checkout, shown by the kernel."""

    def __init__(self, volumes: Volumes, volume: str, where: Path, options: str) -> None:
        self.volumes, self.options, self.where = volumes, options, where
        self.where.mkdir()
        self.empty = where.with_name(where.name + "-empty")
        self.empty.mkdir()
        self.show(volumes.checkout(volume, where.name))

    def show(self, checkout) -> None:
        self.checkout = checkout
        self.alone = True
        lower = ":".join(str(path) for path in checkout.layers or (self.empty,))
        options = f"lowerdir={lower},upperdir={checkout.changes},workdir={checkout.scratch}"
        command = ["mount", "-t", "overlay", "-o", f"{options},{self.options}", "x", self.where]
        subprocess.run(command, check=True)

    def hide(self) -> None:
        subprocess.run(["umount", self.where], check=True)

    def reload(self) -> None:
        self.hide()
        self.show(self.volumes.advance(self.checkout))

    def take_over(self) -> None:
        self.hide()
        alone, checkout = self.alone, self.checkout
        staged = self.volumes.stage_still(checkout)
        if staged is not None:
            by = Committer(self.where.name)
            checkout = self.volumes.replace(checkout, staged, by, newest=False)
        self.show(checkout)
        self.alone = alone

    def close(self) -> None:
        self.hide()
        self.volumes.release(self.checkout)
        self.where.rmdir()
        self.empty.rmdir()

    def view(self) -> tuple[Tree, dict[tuple[str, ...], bytes]]:
        tree, files = Tree(), {}
        for top, directories, names in os.walk(self.where):
            parts = Path(top).relative_to(self.where).parts
            tree = tree.put(parts, describe(Path(top)))
            links = [name for name in directories if Path(top, name).is_symlink()]
            for name in names + links:
                path = Path(top, name)
                tree = tree.put((*parts, name), describe(path))
                if tree.get((*parts, name)).kind is Kind.FILE:
                    files[(*parts, name)] = path.read_bytes()
        return tree, files

    def work(self, chance: random.Random) -> None:
        """Do something that a program might do; that it may fail is part of it."""

        def somewhere() -> Path:
            depth = chance.randint(1, 3)
            return self.where.joinpath(*(chance.choice(NAMES) for _ in range(depth)))

        one, other = somewhere(), somewhere()
        actions = {
            "write": lambda: (
                one.parent.mkdir(parents=True, exist_ok=True),
                one.write_text(str(chance.random())[: chance.randint(1, 9)]),
            ),
            "mkdir": lambda: one.mkdir(parents=True),
            "unlink": one.unlink,
            "rmtree": lambda: shutil.rmtree(one),
            "rename": lambda: one.rename(other),
            "link": lambda: one.symlink_to(chance.choice(NAMES)),
            "chmod": lambda: one.chmod(chance.choice([0o755, 0o644, 0o600, 0o711])),
            "open": lambda: one.open("r+").close(),
            "change": lambda: one.open("r+").write("zz"),
        }
        with contextlib.suppress(OSError):
            actions[chance.choice(["write", "write", "rename", *actions])]()


def main(directory: Path, options: str, seed: int) -> None:
    chance = random.Random(seed)
    volumes = open_volumes(directory)
    volume = volumes.get_or_create(
        name="v", environment="", creation=Creation.CREATE_IF_MISSING
    ).volume_id
    boxes = [Mount(volumes, volume, directory / name, options) for name in ("one", "two")]
    redirects = 0
    for step in range(STEPS):
        box = boxes[0] if step < len(PRELUDE) else chance.choice(boxes)
        for work in PRELUDE[step : step + 1]:
            work(box.where)
        for _ in range(chance.randint(0, 8) if step >= len(PRELUDE) else 0):
            box.work(chance)
        redirects += count_redirects(box.checkout.changes)
        before, seen = volumes.history(volume).head, box.view()
        if chance.random() < 0.3:
            box.take_over()
            assert box.view() == seen
        else:
            staged = volumes.stage(box.checkout)
            if staged is not None:
                volumes.publish(box.checkout, staged, Committer(box.where.name))
        head = volumes.history(volume).head
        again = volumes.stage(box.checkout)
        assert again is None or not again.written.changes, again
        for other in boxes:
            other.alone &= other is box or head.number == before.number
        if head.layers:
            compare(volumes, volume, directory, options, seen if box.alone else None)
        if chance.random() < 0.3 or step == 0:
            box.reload()
    for box in boxes:
        box.close()
    print(volumes.history(volume).head.number, redirects)


def compare(volumes, volume, directory, options, seen) -> None:
    head = volumes.history(volume).head
    fresh = Mount(volumes, volume, directory / "fresh", options)
    tree, files = fresh.view()
    assert read_stack(fresh.checkout.layers) == head.tree
    assert tree == head.tree, set(tree.walk()) ^ set(head.tree.walk())
    assert seen is None or seen == (tree, files), (
        set(seen[0].walk()) ^ set(tree.walk()),
        seen[0].root.entry,
        tree.root.entry,
        set(seen[1].items()) ^ set(files.items()),
    )
    for parts, data in files.items():
        assert volumes.locate(volume, "/".join(parts)).path.read_bytes() == data
    fresh.close()


def count_redirects(upper: Path) -> int:
    return sum(
        any(name.endswith(".overlay.redirect") for name in os.listxattr(top))
        for top, _, _ in os.walk(upper)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
