"""The plugin, run on small suites of its own."""

import json
from pathlib import Path

import modal
import pytest

from modal_contracts.live import LIVE

pytest_plugins = ["pytester"]

HEAD = """
import os
import pytest
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, observed
from modal_contracts.target import Capability

GUIDE = documented("guide/volumes")
"""

LAWFUL = '''
@both_versions
@clause("volumes/it-holds", GUIDE)
def test_it_holds(version):
    """It holds."""

@clause("volumes/it-does-not-hold", assumed("nobody ever looked at it in earnest"))
def test_it_does_not_hold():
    """It does not hold."""
    assert 1 + 1 == 3

@clause("volumes/it-is-new", GUIDE, since="99.0.0")
def test_it_is_new():
    """It is new."""
    raise AssertionError("it was run")
'''

# A target that stands for the session without any server: what surrounds a target is tested with
# `opening`, what runs on one is tested with the suite itself.
TARGET = """
import pytest
from modal_contracts.opening import Opened
from modal_contracts.target import Capability

class Fake:
    offers = ("containers",)
    environment = {}
    settled = 0

    def settle(self):
        self.settled += 1

@pytest.fixture(scope="session")
def modal_target():
    return Opened(Fake(), frozenset([Capability.CONTAINERS]), "there")
"""


class Suite:
    """A small suite on disk, and pytest over it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.path = pytester.path

    def room(self, text: str, name: str = "volumes/test_room.py") -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + text)

    def run(self, *arguments: str) -> pytest.RunResult:
        return self._pytester.runpytest_inprocess(
            "-p", "modal_contracts.plugin", "-o", "modal_contracts_suites=.", *arguments
        )


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    for name in ("MODAL_SERVER_URL", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODAL_CONFIG_PATH", str(pytester.path / "modal.toml"))
    return Suite(pytester)


def test_a_lawful_suite_runs_and_is_counted(suite: Suite) -> None:
    suite.room(LAWFUL)
    result = suite.run()
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            f"*clauses on target 'emulator', modal {modal.__version__}*",
            "evidence*left out*kept*broken",
            "documented*1*1*0",
            "assumed*0*0*1",
            "all*1*1*1",
        ]
    )


def test_what_the_sdk_lacks_is_left_out(suite: Suite) -> None:
    suite.room(LAWFUL)
    result = suite.run("-rs", "-k", "new")
    result.stdout.fnmatch_lines([f"*needs modal 99.0.0, and {modal.__version__} is installed"])


def test_a_broken_rule_stops_the_run(suite: Suite) -> None:
    suite.room(LAWFUL)
    suite.room("def test_bare(): pass\n", "volumes/test_bare.py")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: these clauses break the rules:",
            "  volumes/test_bare.py::test_bare: carries 0 clauses, must carry exactly one",
        ]
    )


def test_a_broken_rule_counts_though_it_is_not_selected(suite: Suite) -> None:
    suite.room(LAWFUL.replace("volumes/it-is-new", "volumes/it-is-old"))
    result = suite.run("-k", "it_holds")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ask for 'volumes/it-is-new'"])


def test_the_folder_is_a_part_of_the_id(suite: Suite) -> None:
    suite.room(LAWFUL, "secrets/test_room.py")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'volumes/it-holds', its folder and name ask for 'secrets/it-*"])


def test_other_tests_are_none_of_its_business(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_bare(): pass")
    result = pytester.runpytest_inprocess("-p", "modal_contracts.plugin")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*clauses on target*")


def test_a_clause_that_needs_more_than_is_offered_is_left_out(suite: Suite) -> None:
    (suite.path / "conftest.py").write_text(TARGET)
    suite.room('''
@clause("volumes/a-file-is-open", GUIDE, needs=[Capability.OPEN_FILES, Capability.PROGRAMS])
def test_a_file_is_open(scene):
    """A file is open."""
    raise AssertionError("it was run")

@clause("volumes/a-container-runs", GUIDE, needs=[Capability.CONTAINERS])
def test_a_container_runs(scene):
    """A container runs."""
    assert scene.environment == "there"
    assert scene.unused_name("x") != scene.unused_name("x")
''')
    result = suite.run("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["*the target does not offer this: it is known which files *; programs that a function *"]
    )


def test_a_target_that_nobody_offers(suite: Suite) -> None:
    suite.room('@clause("volumes/it-asks", GUIDE)\ndef test_it_asks(scene):\n    """It asks."""\n')
    result = suite.run("--modal-target", "moon")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*--modal-target: nobody offers 'moon'; there is: *live"])


def test_a_conftest_may_offer_a_target(suite: Suite) -> None:
    (suite.path / "conftest.py").write_text(
        """
from contextlib import contextmanager
class Far:
    offers = ()
    environment = {"MODAL_SERVER_URL": "https://moon.example"}
@contextmanager
def open_far():
    yield Far()
def pytest_modal_contracts_target(name):
    return open_far if name == "moon" else None
"""
    )
    suite.room('@clause("volumes/it-asks", GUIDE)\ndef test_it_asks(scene):\n    """It asks."""\n')
    result = suite.run("--modal-target", "moon")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*not on this machine*https://moon.example*--modal-allow-live*"])


def test_live_needs_leave(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODAL_TOKEN_ID", "ak-1")
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-1")
    suite.room(LAWFUL)
    result = suite.run("--modal-target", LIVE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*add --modal-allow-live*"])


def test_live_needs_a_token(suite: Suite) -> None:
    suite.room(LAWFUL)
    result = suite.run("--modal-target", LIVE, "--modal-allow-live")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*it needs a token*"])


def test_a_record_is_written(suite: Suite, tmp_path: Path) -> None:
    suite.room(LAWFUL)
    record = tmp_path / "record.json"
    suite.run("--modal-record", str(record))
    data = json.loads(record.read_text())
    assert (data["target"], data["modal"]) == ("emulator", modal.__version__)
    assert data["clauses"] == {
        "volumes/it-does-not-hold": "broken",
        "volumes/it-holds": "kept",
        "volumes/it-is-new": "left out",
    }


@pytest.mark.slow
def test_workers_of_xdist_report_to_one_count(suite: Suite) -> None:
    suite.room(LAWFUL)
    result = suite.run("-n", "2")
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["all*1*1*1"])


def test_a_fixture_that_fails_breaks_the_clause(suite: Suite) -> None:
    suite.room('''
@pytest.fixture
def broken():
    raise RuntimeError("no")

@clause("volumes/it-asks", GUIDE)
def test_it_asks(broken):
    """It asks."""
''')
    suite.run().stdout.fnmatch_lines(["all*0*0*1"])
