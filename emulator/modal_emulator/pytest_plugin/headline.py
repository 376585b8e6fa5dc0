"""
The line at a session's head: which runtime its tests use, and why.

It imports nothing of the SDK: a session may end without a test that needs it.
"""

from importlib.metadata import version

from modal_emulator.runtime.pick import resolve

__all__ = ["headline"]

KINDS = {
    "inline": "inline containers (threads of this process)",
    "process": "process containers",
}


def headline(asked: str, notice: str = "") -> str:
    """Return the line, given the runtime that was asked for or nothing."""
    runtime = resolve(asked or "auto")
    kind = KINDS.get(runtime, runtime)
    why = "as asked for" if asked not in ("", "auto") else "chosen automatically"
    words = [f"modal-emulator: {kind}, {why}", f"modal {version('modal')}"]
    return ", ".join(words) + (f"; {notice}" if notice else "")
