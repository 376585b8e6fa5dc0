"""Somebody reads the data set while its next version is published."""

import re

import pytest
from manifest_before_data import broken, fixed

from modal_emulator import RaceFound, explore


def first_version(modal_emulator) -> None:
    manifest = '{"version": 1, "file": "rows-1.txt"}'
    modal_emulator.volume("data-set").write({"manifest.json": manifest, "rows-1.txt": "one"})


def read_while_published(data_set) -> None:
    publishing = data_set.publish.spawn(2, ["one", "two"])
    reading = data_set.rows.spawn()
    assert reading.get() in (["one"], ["one", "two"])
    publishing.get()


def test_a_manifest_names_what_is_not_there(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(
            lambda: read_while_published(broken),
            app=broken.app,
            setup=lambda: first_version(modal_emulator),
        )
    assert "rows-2.txt" in str(race.value)
    # The reader comes after the commit of the manifest.
    assert re.search(r"publish#1 +commit.*rows#1 +(start|reload)", race.value.story, re.DOTALL)


def test_data_comes_before_its_manifest(modal_emulator):
    explore(
        lambda: read_while_published(fixed),
        app=fixed.app,
        setup=lambda: first_version(modal_emulator),
    )
