"""Somebody asks for a picture while it is uploaded, and again when it is."""

import re

import pytest
from stale_negative import broken, fixed

from modal_emulator import RaceFound, explore


def asked_for_too_early(pictures) -> None:
    thumbnails = pictures.Thumbnails()
    early = thumbnails.get.spawn("cat.jpg")
    pictures.upload.remote("cat.jpg", b"cat in a box")
    assert early.get() in (None, b"cat in a")
    assert thumbnails.get.remote("cat.jpg") == b"cat in a"


def test_not_there_is_remembered(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(lambda: asked_for_too_early(broken), app=broken.app)
    # The container that looked too early is asked again.
    assert re.search(r"Thumbnails#1 .*upload#1 +commit", race.value.story, re.DOTALL)
    assert " Thumbnails#2 " not in race.value.story


@explore(app=fixed.app)
def test_only_what_was_found_is_remembered(modal_emulator):
    asked_for_too_early(fixed)
