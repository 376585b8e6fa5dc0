"""Two people sign up under the same name at the same time."""

import re

import pytest
from check_then_write import broken, fixed

from modal_emulator import RaceFound, explore


def two_want_the_name(accounts) -> None:
    emails = ["ann@example.org", "bob@example.org"]
    calls = [accounts.sign_up.spawn("admin", email) for email in emails]
    told = [email for email, call in zip(emails, calls, strict=True) if call.get()]
    assert told == [accounts.owner.remote("admin")]


def test_a_look_decides_nothing(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(lambda: two_want_the_name(broken), app=broken.app)
    # Both have read before the first of them commits.
    assert re.search(
        r"(reload 'accounts'.*){2}(commit 'accounts'.*){2}", race.value.story, re.DOTALL
    )


@explore(app=fixed.app)
def test_a_claim_decides(modal_emulator):
    two_want_the_name(fixed)
