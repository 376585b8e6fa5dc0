"""
What containers do before they are ended: they write, tell of it, and go on until somebody acts.

Sent by reference like the `bodies`; only the standard library and `modal` may be imported here.
"""

import os
import time
from pathlib import Path

import modal

from modal_contracts import bodies

__all__ = ["resume_or_linger", "stay", "write_and_die", "write_and_stay"]

LONG = 240  # longer than it takes to be ended, shorter than the function's own timeout


def write_and_die(path: str, text: str) -> None:
    """Write, and end this container without a word before any commit can come between."""
    bodies.write(path, text)
    bodies.die()


def stay() -> None:
    """Go on until interrupted."""
    time.sleep(LONG)


def write_and_stay(path: str, text: str) -> None:
    """Write, and go on until interrupted."""
    bodies.write(path, text)
    stay()


def resume_or_linger(path: str, signs: modal.Volume, sign: str) -> str:
    """
    Return what an earlier run of this input left; in the first run leave it and linger.

    The first run says by a commit of another volume which container it is in.
    """
    if Path(path).exists():
        return bodies.read(path)
    bodies.write(path, "left by the first run")
    bodies.write(sign, os.environ["MODAL_TASK_ID"])
    signs.commit()
    stay()
    return "never interrupted"
