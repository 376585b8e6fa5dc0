"""
An upload in parts, which nobody puts together.

Whoever has stored the last part is to assemble the file. Each container counts the parts before
it has committed its own: two that run at the same time both see one of two, and the upload waits
for ever. Right: commit, then reload, then count. Of two commits one is the later one, and a
reload after it shows both parts. Both may assemble: the result is the same.
"""

from pathlib import Path

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin, at_once

volume = modal.Volume.from_name("uploads", create_if_missing=True)
PARTS = Path("/uploads")
WHOLE = PARTS / "whole"
broken = modal.App("uploads-broken")
fixed = modal.App("uploads-fixed")


def assemble() -> None:
    parts = sorted(PARTS.glob("*.part"))
    if len(parts) == 2:
        WHOLE.write_text("".join(part.read_text() for part in parts))
    volume.commit()


@broken.function(volumes={str(PARTS): volume})
def put_part(number: int, text: str) -> None:
    volume.reload()
    (PARTS / f"{number}.part").write_text(text)
    assemble()


@fixed.function(volumes={str(PARTS): volume})
def commit_part(number: int, text: str) -> None:
    (PARTS / f"{number}.part").write_text(text)
    volume.commit()
    volume.reload()
    assemble()


def both_parts(function: modal.Function) -> Program:
    def program(_: Running) -> None:
        at_once([function, 1, "hello "], [function, 2, "world"])

    return program


def is_whole(running: Running) -> None:
    assert running.volume("uploads").read_text("whole") == "hello world"


BUG = Bug(
    Twin(broken, both_parts(put_part)),
    Twin(fixed, both_parts(commit_part)),
    invariant=is_whole,
)
