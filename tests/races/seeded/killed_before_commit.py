"""
An order that is confirmed and then lost with its container.

The confirmation goes into a Dict, where it is at once and for everybody; the order itself lies in
a container that is killed before it commits. Right: confirm what is committed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import modal

from races.case import Bug, Program, Twin

if TYPE_CHECKING:
    from modal_emulator.emulator import Running

volume = modal.Volume.from_name("shop", create_if_missing=True)
confirmed = modal.Dict.from_name("shop-confirmed", create_if_missing=True)
ORDERS = Path("/orders")
broken = modal.App("shop-broken")
fixed = modal.App("shop-fixed")


@broken.function(volumes={str(ORDERS): volume})
def take(order: str) -> None:
    (ORDERS / order).write_text("two apples")
    confirmed[order] = True
    volume.commit()


@fixed.function(volumes={str(ORDERS): volume})
def commit_and_take(order: str) -> None:
    (ORDERS / order).write_text("two apples")
    volume.commit()
    confirmed[order] = True


def one_order(running: Running) -> None:
    running.volume("shop").write("1", "two apples")
    running.dict("shop-confirmed")["1"] = True


def ordered(function: modal.Function) -> Program:
    def program(_: Running) -> None:
        with suppress(Exception):  # it may be killed
            function.remote("7")

    return program


def confirmed_is_kept(running: Running) -> None:
    for order in running.dict("shop-confirmed"):
        assert running.volume("shop").read_text(str(order)) == "two apples"


BUG = Bug(
    Twin(broken, ordered(take)),
    Twin(fixed, ordered(commit_and_take)),
    invariant=confirmed_is_kept,
    setup=one_order,
    options={"kills": 1},
)
