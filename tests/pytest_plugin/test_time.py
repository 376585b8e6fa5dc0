"""The clock and the schedules in a user's tests: fixtures, marks, configuration and reports."""

import pytest

pytestmark = pytest.mark.slow

APP = """
import modal

app = modal.App("clockwork")

@app.function(schedule=modal.Cron("0 2 * * *"))
def nightly():
    pass

@app.function(schedule=modal.Period(days=400))
def rarely():
    pass
"""

FIXTURES = """
from datetime import datetime, timezone
import pytest, clockwork

START = datetime.now(timezone.utc)

def test_it_stands(modal_clock, modal_cron, modal_emulator):
    assert modal_clock.mode == "frozen"
    assert abs((modal_clock.now() - START).total_seconds()) < 300
    clockwork.app.deploy()
    (run,) = modal_clock.advance(days=1)
    assert (run.function, run.status) == ("nightly", "success")
    assert modal_cron.history() == (run,)

def test_another_one_begins_with_the_machines_time(modal_emulator):
    assert modal_emulator.clock.mode == "real"
    assert abs((modal_emulator.clock.now() - START).total_seconds()) < 300

@pytest.mark.modal(clock="2024-01-31T02:00:00+01:00")
def test_marked(modal_clock):
    assert modal_clock.now() == datetime(2024, 1, 31, 1, tzinfo=timezone.utc)
    assert modal_clock.mode == "frozen"

@pytest.mark.modal(clock="2024-01-31 rate=60")
def test_marked_with_a_rate(modal_clock):
    assert modal_clock.mode == "accelerated"

@pytest.mark.modal(clock="real")
def test_marked_as_real(modal_clock):
    assert modal_clock.mode == "real"

@pytest.mark.modal(clock="2024-01-31")
def test_fails(modal_clock):
    modal_clock.advance("2h")
    assert False

@pytest.mark.modal(clock="soon")
def test_makes_no_sense(modal_clock):
    pass
"""


@pytest.fixture
def clocked(user: pytest.Pytester) -> pytest.Pytester:
    user.makepyfile(clockwork=APP)
    return user


def test_a_test_owns_its_clock(clocked: pytest.Pytester) -> None:
    clocked.makepyfile(FIXTURES)
    result = clocked.runpytest_subprocess()
    result.assert_outcomes(passed=5, failed=1, errors=1)
    result.stdout.fnmatch_lines(["clock: 2024-01-31T02:00:00Z, standing"])
    result.stdout.fnmatch_lines(["*UsageError: @pytest.mark.modal: 'soon' is no instant*"])


def test_the_configuration_says_how_clocks_begin(clocked: pytest.Pytester) -> None:
    clocked.makeini("[pytest]\nmodal_clock = 2024-02-29T12:00Z\nmodal_report_schedules = true\n")
    clocked.makepyfile(
        """
        import pytest

        def test_configured(modal_emulator):
            assert repr(modal_emulator.clock) == "<clock frozen at 2024-02-29T12:00:00Z>"
            modal_emulator.clock.advance("1d")

        def test_begins_there_again(modal_clock):
            assert repr(modal_clock) == "<clock frozen at 2024-02-29T12:00:00Z>"

        @pytest.mark.modal(clock="real")
        def test_mark_goes_before(modal_clock):
            assert modal_clock.mode == "real"
        """
    )
    result = clocked.runpytest_subprocess()
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*modal-emulator: schedules*", "no test deployed a schedule"])


REPORT = """
import modal, clockwork

def test_one(modal_clock):
    clockwork.app.deploy()
    modal_clock.advance("1d")

def test_two(modal_clock, modal_cron):
    assert modal_clock.now().year == 2024
    clockwork.app.deploy()
    modal_cron.run_now("rarely")

def test_three(modal_clock):
    app = modal.App("other")

    @app.function(schedule=modal.Cron("0 1 * * *"), serialized=True)
    def unseen():
        pass

    app.deploy()
    clockwork.app.deploy()
"""


def test_schedules_that_never_fired_are_told(clocked: pytest.Pytester) -> None:
    clocked.makepyfile(REPORT)
    # Through a worker of xdist: what it knows has to come along.
    options = ["--modal-report-schedules", "--modal-clock", "2024-01-31 rate=1", "-n1"]
    result = clocked.runpytest_subprocess(*options)
    result.assert_outcomes(passed=3)
    never = "never fired, and was deployed in"
    result.stdout.fnmatch_lines(
        [
            "*= modal-emulator: schedules =*",
            f"clockwork/rarely: Period(days=400) {never} 3 tests",
            f"other/*unseen: Cron('0 1 * * *', timezone='UTC') {never} 1 test",
        ]
    )
    assert "nightly" not in result.stdout.str()
