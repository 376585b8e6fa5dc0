"""
Where a path leads when the symlinks on it are followed, without ever leaving the volume.

Containers follow links with the kernel; this is for readers outside, who see the tree alone.
"""

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.paths import Parts, show
from modal_emulator.store.tree import Kind, Tree

__all__ = ["follow"]

MOST = 40  # Linux gives up after as many


def follow(tree: Tree, parts: Parts, mount: str) -> Parts:
    """
    Return the path that is meant, with no symlink left in it; it need not exist.

    `mount` is where containers see the volume: absolute links into it are followed too. What
    Modal does with links that lead elsewhere is not known; here they are refused.
    """
    done: list[str] = []
    pending = list(reversed(parts))
    hops = 0
    while pending:
        name = pending.pop()
        if name in ("", "."):
            continue
        if name == "..":
            if not done:
                raise Invalid(f"'{show(parts)}' leads out of the Volume")
            done.pop()
            continue
        done.append(name)
        entry = tree.get(tuple(done))
        if entry is None or entry.kind is not Kind.SYMLINK:
            continue
        hops += 1
        if hops > MOST:
            raise Invalid(f"'{show(parts)}': too many levels of symbolic links")
        done.pop()
        target = entry.target
        if target.startswith("/"):
            if target != mount and not target.startswith(mount + "/"):
                raise Invalid(f"'{show(parts)}' leads out of the Volume")
            target = target[len(mount) :]
            done.clear()
        pending.extend(reversed(target.split("/")))
    return tuple(done)
