"""
Settings that are saved without a commit, "because the container commits at its end".

It does, whenever that is. When a second container has saved newer settings meanwhile and ends
first, the older ones are committed last, and win. Right: commit before the call returns, so that
what was saved later is committed later.
"""

from pathlib import Path

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin

volume = modal.Volume.from_name("settings", create_if_missing=True)
FILE = Path("/settings/theme")
broken = modal.App("settings-broken")
fixed = modal.App("settings-fixed")


@broken.function(volumes={"/settings": volume})
def save(theme: str) -> None:
    FILE.write_text(theme)


@fixed.function(volumes={"/settings": volume})
def save_now(theme: str) -> None:
    FILE.write_text(theme)
    volume.commit()


def saved_twice(function: modal.Function) -> Program:
    def program(_: Running) -> None:
        function.remote("light")
        function.remote("dark")

    return program


def newest_wins(running: Running) -> None:
    assert running.volume("settings").read_text("theme") == "dark"


BUG = Bug(
    Twin(broken, saved_twice(save)), Twin(fixed, saved_twice(save_now)), invariant=newest_wins
)
