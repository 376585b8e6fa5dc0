"""The clean-up may run at any moment while a report is made."""

import re

import pytest
from cron_cleanup import broken, fixed

from modal_emulator import RaceFound, explore


def a_report_is_made(reports) -> None:
    reports.prepare.remote("march", [1, 2, 3])
    assert reports.finish.remote("march") == 6


def test_the_cron_job_removes_what_is_in_use(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(lambda: a_report_is_made(broken), app=broken.app, crons=("clean",))
    story = race.value.story
    assert re.search(r"prepare#1 +commit.*clean#1 +commit.*finish#1 ", story, re.DOTALL)


@explore(app=fixed.app, crons=("clean",))
def test_a_lease_keeps_what_is_in_use(modal_emulator):
    a_report_is_made(fixed)
