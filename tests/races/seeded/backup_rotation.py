"""
A rotation of backups that deletes the newest one.

`latest` is moved when the new backup is committed. A rotation that comes in between sees the new
file, does not find it to be the latest, and removes it; a moment later `latest` names a file that
is gone. Right: remove what is older than the latest, never what is merely not it.
"""

from pathlib import Path

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin, at_once

volume = modal.Volume.from_name("backups", create_if_missing=True)
state = modal.Dict.from_name("backups-state", create_if_missing=True)
BACKUPS = Path("/backups")
broken = modal.App("backups-broken")
fixed = modal.App("backups-fixed")


def dump(day: str) -> None:
    (BACKUPS / day).write_text(f"all of {day}")
    volume.commit()
    state["latest"] = day


@broken.function(volumes={str(BACKUPS): volume})
def back_up(day: str) -> None:
    dump(day)


@broken.function(volumes={str(BACKUPS): volume})
def rotate() -> None:
    volume.reload()
    latest = state["latest"]
    for backup in BACKUPS.iterdir():
        if backup.name != latest:
            backup.unlink()
    volume.commit()


@fixed.function(volumes={str(BACKUPS): volume})
def back_up_again(day: str) -> None:
    dump(day)


@fixed.function(volumes={str(BACKUPS): volume})
def rotate_older() -> None:
    volume.reload()
    latest = state["latest"]
    for backup in BACKUPS.iterdir():
        if backup.name < latest:
            backup.unlink()
    volume.commit()


def first_backup(running: Running) -> None:
    running.volume("backups").write("2024-03-10", "all of 2024-03-10")
    running.dict("backups-state")["latest"] = "2024-03-10"


def rotated_meanwhile(backing_up: modal.Function, rotating: modal.Function) -> Program:
    def program(_: Running) -> None:
        at_once([backing_up, "2024-03-11"], [rotating])

    return program


def latest_is_there(running: Running) -> None:
    latest = str(running.dict("backups-state")["latest"])
    assert running.volume("backups").read_text(latest) == f"all of {latest}"


BUG = Bug(
    Twin(broken, rotated_meanwhile(back_up, rotate)),
    Twin(fixed, rotated_meanwhile(back_up_again, rotate_older)),
    invariant=latest_is_there,
    setup=first_backup,
)
