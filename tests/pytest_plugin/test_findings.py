"""Findings in a user's test run: warnings, failures, allowed ones, and a summary at the end."""

import pytest

pytestmark = pytest.mark.slow

APP = """
import modal

app = modal.App("stale")
volume = modal.Volume.from_name("notes", create_if_missing=True)

@app.function(volumes={"/notes": volume})
def write():
    with open("/notes/a.txt", "w") as file:
        file.write("new")
    volume.commit()

@app.function(volumes={"/notes": volume})
def read():
    try:
        return open("/notes/a.txt").read()
    except FileNotFoundError:
        return None
"""

# Asked for on the command line, and not by a mark: only so an ordinary user may have them.
INLINE = ("--modal-runtime", "inline", "-p", "no:cacheprovider")

TESTS = """
import pytest
from notes import app, read, write

def play():
    with app.run():
        read.remote()
        write.remote()
        assert read.remote() is None

def test_warns(modal_emulator):
    play()

@pytest.mark.modal(findings={"stale read": "fail"})
def test_fails(modal_emulator):
    play()

@pytest.mark.modal(findings={"default": "off"})
def test_is_silent(modal_emulator):
    play()

@pytest.mark.modal(findings_allow=["stale read: path=a.* function=read"])
def test_is_allowed(modal_emulator):
    play()

@pytest.mark.filterwarnings("ignore::modal_emulator.pytest_plugin.findings.FindingWarning")
def test_is_filtered(modal_emulator):
    play()

@pytest.mark.filterwarnings("error::modal_emulator.pytest_plugin.findings.FindingWarning")
def test_raises(modal_emulator):
    play()
"""


def test_what_is_told_of_findings(user: pytest.Pytester) -> None:
    user.makepyfile(notes=APP, test_notes=TESTS)
    ran = user.runpytest_subprocess(*INLINE)
    ran.assert_outcomes(passed=5, failed=1, errors=1, warnings=1)
    text = ran.stdout.str()
    assert "FAILED test_notes.py::test_fails" in text
    assert "ERROR test_notes.py::test_raises" in text
    title = "stale read: read read a.txt in 'notes' as it was before write changed it"
    summary = text[text.index("modal-emulator: findings") :]
    for test in ("test_warns", "test_fails"):
        assert f"test_notes.py::{test}: {title}" in summary
    for test in ("test_is_silent", "test_is_allowed"):
        assert test not in summary


@pytest.mark.parametrize(
    "line, error",
    [
        ("modal_findings = stale read", "is not of the form"),
        ("modal_findings = stale: off", "there is no finding 'stale'"),
        ("modal_findings_allow = stale read: everything", "a pattern is"),
    ],
)
def test_a_setting_that_makes_no_sense(user: pytest.Pytester, line: str, error: str) -> None:
    user.makeini(f"[pytest]\n{line}")
    user.makepyfile(test_one="def test_one(modal_emulator): pass")
    ran = user.runpytest_subprocess("-p", "no:cacheprovider")
    assert error in ran.stdout.str() + ran.stderr.str()
    ran.assert_outcomes(errors=1)


def test_a_setting_for_all_tests(user: pytest.Pytester) -> None:
    user.makeini("[pytest]\nmodal_findings =\n  default: fail\nmodal_findings_allow = *: path=b.*")
    user.makepyfile(notes=APP, test_notes=TESTS)
    ran = user.runpytest_subprocess(*INLINE, "-k", "test_warns")
    ran.assert_outcomes(failed=1)
