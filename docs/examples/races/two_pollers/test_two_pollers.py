"""Two runs of the poller overlap."""

import re

import pytest
from two_pollers import broken, fixed

from modal_emulator import RaceFound, explore


def a_letter_lies_in_the_inbox(modal_emulator) -> None:
    modal_emulator.volume("letters").write("1.txt", "dear Ann")


def two_runs_overlap(letters, modal_emulator) -> None:
    for call in [letters.poll.spawn(), letters.poll.spawn()]:
        call.get()
    assert modal_emulator.queue("letters-outbox").drain() == ["dear Ann"]


def test_both_send_the_letter(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(
            lambda: two_runs_overlap(broken, modal_emulator),
            app=broken.app,
            setup=lambda: a_letter_lies_in_the_inbox(modal_emulator),
        )
    # Both have looked into the inbox before the first of them commits.
    assert re.search(r"(reload 'letters'.*){2}(commit 'letters'.*){2}", race.value.story, re.DOTALL)
    assert race.value.story.count("queue put 'letters-outbox'") == 2


def test_one_of_them_claims_it(modal_emulator):
    explore(
        lambda: two_runs_overlap(fixed, modal_emulator),
        app=fixed.app,
        setup=lambda: a_letter_lies_in_the_inbox(modal_emulator),
    )
