"""Somebody reads the data set while its next version is published."""

import re

import pytest
from manifest_before_data import broken, fixed

from modal_emulator import RaceFound, explore


def read_while_published(data_set) -> None:
    data_set.publish.remote(1, ["one"])
    publishing = data_set.publish.spawn(2, ["one", "two"])
    reading = data_set.rows.spawn()
    assert reading.get() in (["one"], ["one", "two"])
    publishing.get()
    assert data_set.rows.remote() == ["one", "two"]


def test_a_manifest_names_what_is_not_there(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(lambda: read_while_published(broken), app=broken.app)
    assert "rows-2.txt" in str(race.value)
    # The reader comes after the manifest's commit, the second one, and before that of the rows.
    assert re.search(r"(publish#\d .*){2}rows#1 +(start|reload)", race.value.story, re.DOTALL)


@explore(app=fixed.app)
def test_data_comes_before_its_manifest(modal_emulator):
    read_while_published(fixed)
