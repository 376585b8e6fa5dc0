"""Two pictures are added at the same time, in every order of what their containers do."""

import re

import pytest
from lost_update import broken, fixed

from modal_emulator import RaceFound, explore


def two_are_added(gallery) -> None:
    calls = [gallery.add.spawn("cat.jpg", "Tom"), gallery.add.spawn("dog.jpg", "Rex")]
    for call in calls:
        call.get()
    assert gallery.titles.remote() == {"cat.jpg": "Tom", "dog.jpg": "Rex"}


def test_an_index_in_one_file_forgets_a_picture(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(lambda: two_are_added(broken), app=broken.app)
    # Both have read before the first of them commits.
    assert re.search(r"(reload 'gallery'.*){2}(commit 'gallery'.*){2}", race.value.story, re.DOTALL)


@explore(app=fixed.app)
def test_one_file_for_each_picture(modal_emulator):
    two_are_added(fixed)
