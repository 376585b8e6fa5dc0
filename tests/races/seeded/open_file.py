"""
A reader that keeps a file open for speed, and swallows the error of its reload.

A reload is refused while a file of the volume is open, so the warm container can never see
anything new; the error that says so is caught. Right: reload, open, read, close.
"""

from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Twin

volume = modal.Volume.from_name("flags", create_if_missing=True)
FLAGS = Path("/flags/flags.txt")
broken = modal.App("flags-broken")
fixed = modal.App("flags-fixed")


@broken.cls(volumes={"/flags": volume})
class Reader:
    @modal.enter()
    def begin(self) -> None:
        self.file: IO[str] = FLAGS.open()

    @modal.method()
    def flags(self) -> str:
        with suppress(RuntimeError):  # "volume busy"; the next one will do
            volume.reload()
        self.file.seek(0)
        return self.file.read()


@fixed.cls(volumes={"/flags": volume})
class ClosingReader:
    @modal.method()
    def flags(self) -> str:
        volume.reload()
        return FLAGS.read_text()


@broken.function(volumes={"/flags": volume})
def switch(flags: str) -> None:
    FLAGS.write_text(flags)
    volume.commit()


@fixed.function(volumes={"/flags": volume})
def switch_again(flags: str) -> None:
    FLAGS.write_text(flags)
    volume.commit()


def all_off(running: Running) -> None:
    running.volume("flags").write("flags.txt", "off")


def switched_meanwhile(reader: Any, switching: modal.Function) -> None:
    early = reader.flags.spawn()
    switching.remote("on")
    assert early.get() in ("off", "on")
    assert reader.flags.remote() == "on"


BUG = Bug(
    Twin(broken, lambda _: switched_meanwhile(Reader(), switch)),
    Twin(fixed, lambda _: switched_meanwhile(ClosingReader(), switch_again)),
    setup=all_off,
)
