"""
A model cache that takes a directory for a whole model.

A commit in the background in the middle of the download publishes half of the files; the next
container finds the directory, downloads nothing, and fails. Right: a marker says that the model
is whole, and is written last. Two containers may download at the same time, so each file is
written under a name that nobody else uses and put in place by a rename: what is committed in
between never replaces a whole file by half of one.
"""

import os
from pathlib import Path

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin, at_once

volume = modal.Volume.from_name("models", create_if_missing=True)
MODEL = Path("/models/small")
FILES = {"config.json": "{}", "weights.bin": "0.5"}
broken = modal.App("model-cache-broken")
fixed = modal.App("model-cache-fixed")


@broken.function(volumes={"/models": volume})
def load() -> str:
    volume.reload()
    if not MODEL.exists():
        MODEL.mkdir()
        for name, content in FILES.items():
            (MODEL / name).write_text(content)
        volume.commit()
    return (MODEL / "weights.bin").read_text()


@fixed.function(volumes={"/models": volume})
def load_whole() -> str:
    volume.reload()
    if not (MODEL / "whole").exists():
        MODEL.mkdir(exist_ok=True)
        for name, content in FILES.items():
            draft = MODEL / f"{name}.{os.environ['MODAL_TASK_ID']}"
            draft.write_text(content)
            draft.replace(MODEL / name)
        (MODEL / "whole").touch()
        volume.commit()
    return (MODEL / "weights.bin").read_text()


def two_load(function: modal.Function) -> Program:
    def program(_: Running) -> None:
        assert at_once([function], [function]) == ["0.5", "0.5"]

    return program


BUG = Bug(
    Twin(broken, two_load(load)),
    Twin(fixed, two_load(load_whole)),
    options={"background_commits": "drawn"},
)
