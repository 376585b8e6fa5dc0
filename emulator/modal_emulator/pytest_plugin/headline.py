"""
What has to be settled at a session's head: whether this process may mount, and one line about it.

Nothing of the SDK is imported: a session may end without a test that needs it.
"""

from importlib.metadata import version

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime import kernel
from modal_emulator.runtime.inline.namespace import can_mount, enter_user_namespace
from modal_emulator.runtime.pick import resolve

__all__ = ["enter", "headline", "resume"]

ENTERED = (
    "this process has entered a user namespace: files of other users seem to belong to nobody, "
    "and set-uid programs do not work"
)


def enter(*, with_workers: bool) -> str:
    """
    See to it that this process may mount, while it has a single thread; returns what to say of it.

    `with_workers` lets the processes that it starts do so, too; they call `resume`.
    """
    if can_mount():
        return ""
    try:
        enter_user_namespace()
    except Conflict as error:
        return error.message
    if with_workers:
        kernel.hand_on_rights()
    return ENTERED


def resume() -> None:
    """In a worker: use none of the rights that it was given, but for mounting."""
    kernel.lay_down_rights()


def headline(asked: str, notice: str = "") -> str:
    """Return the line, given the runtime that was asked for, or nothing."""
    runtime, standing = resolve(asked or "auto"), can_mount()
    if runtime != "inline":
        kind = f"{runtime} containers"
    elif standing:
        kind = "inline containers (threads with their own mounts)"
    else:
        kind = f"inline containers (which cannot mount here: {standing.why})"
    if asked not in ("", "auto"):
        why = "as asked for"
    else:
        why = (
            "this process may mount" if standing else f"this process may not mount: {standing.why}"
        )
    line = f"modal-emulator: {kind}, {why}, modal {version('modal')}"
    return f"{line}; {notice}" if notice else line
