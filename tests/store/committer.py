"""
Commits to a volume as fast as it can until it is killed; tells each acknowledged version.

A commit writes the same number into several files, so a version that is not whole shows numbers
that differ.
"""

import sys
from pathlib import Path

from modal_emulator.ground.clock import SystemClock
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.store.content import Content
from modal_emulator.store.environments import Environments
from modal_emulator.store.history import Committer
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.names import Creation, Names
from modal_emulator.store.volumes import Incoming, Volumes

FILES = 5
KEPT = 3


def open_volumes(directory: Path) -> tuple[Ledger, Volumes]:
    ledger, clock, ids = Ledger(directory), SystemClock(), Ids(salt="kill")
    names = Names(ledger, clock, ids)
    volumes = Volumes(
        ledger=ledger,
        names=names,
        environments=Environments(ledger, names, clock, ids),
        directory=directory / "volumes",
        content=Content(directory / "content"),
        clock=clock,
        ids=ids,
        journal=Journal(clock),
        limits=VolumeLimits(layers=4, versions_kept=KEPT),
    )
    return ledger, volumes


def the_volume(volumes: Volumes) -> str:
    return volumes.get_or_create(
        name="v", environment="", creation=Creation.CREATE_IF_MISSING
    ).volume_id


def main(directory: Path) -> None:
    _, volumes = open_volumes(directory)
    volume = the_volume(volumes)
    content = Content(directory / "content")
    checkout = volumes.checkout(volume, "ta")
    by = Committer("ta")
    while True:
        number = volumes.history(volume).head.number + 1
        text = f"{number}\n" * (1 + number % 1000)
        if number % 3:
            for index in range(FILES):
                folder = checkout.changes / f"d{index % 2}"
                folder.mkdir(exist_ok=True)
                (folder / f"f{index}").write_text(text)
            staged = volumes.stage(checkout)
            assert staged is not None
            version = volumes.publish(checkout, staged, by)
        else:
            sha256 = content.add(text.encode())
            files = [
                Incoming(f"d{index % 2}/f{index}", len(text), 0o644, (sha256,), len(text))
                for index in range(FILES)
            ]
            version = volumes.put_files(volume, files, overwrite=True, by=by)
            checkout = volumes.advance(checkout)
        print(version.number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
