"""Tests that fail leave a picture where one was asked for, and lines where something was found."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TESTS = """
import shop

def test_loses(modal_stage, modal_emulator):
    with shop.app.run():
        one = modal_stage.spawn(shop.write, "list.txt", "one").until("commit")
        modal_stage.spawn(shop.write, "list.txt", "two").finish()
        one.finish()
        assert modal_emulator.story().lanes == ()

def test_passes(modal_emulator):
    with shop.app.run():
        shop.write.remote("a.txt", "a")

def test_fails_alone():
    assert False
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_failed_tests_leave_pictures(user: pytest.Pytester, workers: int) -> None:
    user.makepyfile(test_shop=TESTS)
    distributed = ["-p", "xdist", "-n", str(workers)] if workers else []
    result = user.runpytest_subprocess(
        "--modal-runtime", "process", "--modal-pictures", "drawn", *distributed
    )
    result.assert_outcomes(passed=1, failed=2)
    (page,) = (user.path / "drawn").iterdir()
    assert page.name == "test_shop.py-test_loses.html"
    result.stdout.fnmatch_lines(
        ["*modal-emulator: picture*", str(page), "*modal-emulator: pictures*", f"*: {page}"]
    )
    assert "makes v2" in page.read_text()


def test_the_directory_may_be_in_the_configuration(user: pytest.Pytester) -> None:
    user.makepyfile(test_shop="def test_it(modal_emulator): assert 0")
    user.makeini("[pytest]\nmodal_pictures = out/pictures")
    user.mkdir("below")
    user.runpytest_subprocess("below/..").assert_outcomes(failed=1)
    assert [Path(p).name for p in (user.path / "out/pictures").iterdir()] == [
        "test_shop.py-test_it.html"
    ]


LATE = """
import pytest, shop

@pytest.fixture
def late(modal_stage):
    yield
    with shop.app.run():
        one = modal_stage.spawn(shop.write, "list.txt", "one").until("commit")
        modal_stage.spawn(shop.write, "list.txt", "two").finish()
        one.finish()

@pytest.mark.modal(findings={"overwritten unseen": "fail"})
def test_it(late):
    pass
"""


def test_what_fails_a_test_when_it_is_over_is_drawn(user: pytest.Pytester) -> None:
    user.makepyfile(test_late=LATE)
    result = user.runpytest_subprocess("--modal-runtime", "inline", "--modal-pictures", "drawn")
    result.assert_outcomes(passed=1, errors=1)
    (page,) = (user.path / "drawn").iterdir()
    assert "overwritten unseen" in page.read_text()
    result.stdout.fnmatch_lines(
        ["*modal-emulator: what happened*", "*modal-emulator: pictures*", f"*: {page}"]
    )
