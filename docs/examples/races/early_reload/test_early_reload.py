"""A job is submitted while a worker waits for one."""

import re

import pytest
from early_reload import broken, fixed

from modal_emulator import RaceFound, explore


def a_job_is_worked_on(jobs) -> None:
    working = jobs.work.spawn()
    submitting = jobs.submit.spawn("hello", "hello")
    assert working.get() == "HELLO"
    submitting.get()


def test_a_reload_before_the_event_shows_nothing(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(lambda: a_job_is_worked_on(broken), app=broken.app)
    assert re.search(r"reload 'jobs'.*commit 'jobs'", race.value.story, re.DOTALL)


@explore(app=fixed.app)
def test_a_reload_after_the_event(modal_emulator):
    a_job_is_worked_on(fixed)
