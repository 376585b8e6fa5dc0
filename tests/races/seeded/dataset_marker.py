"""
A data set whose marker is committed before the files that it vouches for.

The marker was meant to keep a second container from unpacking. A training that starts in between
takes it for a promise, and learns from a third of the data. Right: the marker comes last.
"""

from pathlib import Path

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin, at_once

volume = modal.Volume.from_name("data-sets", create_if_missing=True)
DATA = Path("/data")
MARKER = DATA / "unpacked"
broken = modal.App("data-set-broken")
fixed = modal.App("data-set-fixed")


def extract() -> None:
    for name in ("a", "b", "c"):
        (DATA / f"{name}.csv").write_text(name)


def rows() -> int:
    """Return how much there is to learn from; -1 if it is not ready."""
    volume.reload()
    return len(list(DATA.glob("*.csv"))) if MARKER.exists() else -1


@broken.function(volumes={str(DATA): volume})
def unpack() -> None:
    MARKER.touch()
    volume.commit()
    extract()
    volume.commit()


@broken.function(volumes={str(DATA): volume})
def train() -> int:
    return rows()


@fixed.function(volumes={str(DATA): volume})
def unpack_whole() -> None:
    extract()
    volume.commit()
    MARKER.touch()
    volume.commit()


@fixed.function(volumes={str(DATA): volume})
def train_on_whole() -> int:
    return rows()


def trained_early(unpacking: modal.Function, training: modal.Function) -> Program:
    def program(_: Running) -> None:
        assert at_once([unpacking], [training])[1] in (-1, 3)

    return program


BUG = Bug(
    Twin(broken, trained_early(unpack, train)),
    Twin(fixed, trained_early(unpack_whole, train_on_whole)),
)
