"""What a test gets from functions that run in its own process: mocks, coverage, the debugger."""

import sys

import pytest

pytestmark = pytest.mark.slow

SHOP = """
import urllib.request
import modal

app = modal.App("shop")

@app.function()
def fetch(number):
    if number > 1:
        found = urllib.request.urlopen(f"http://orders.example/{number}")
    else:
        found = "never"
    return found

@app.function()
def doubles(number):
    twice = 2 * number
    breakpoint()
    return twice
"""

INLINE = ("--modal-runtime", "inline")


@pytest.fixture
def shop(user: pytest.Pytester) -> pytest.Pytester:
    """A shop that can do more."""
    user.makepyfile(shop=SHOP)
    return user


def test_mocks_and_coverage_reach_functions(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import shop

        def test_mocks(modal_emulator, monkeypatch):
            monkeypatch.setattr("urllib.request.urlopen", lambda url: f"mocked {url}")
            with shop.app.run():
                assert shop.fetch.remote(7) == "mocked http://orders.example/7"
    """)
    coverage = ("-p", "pytest_cov", "--cov", "shop", "--cov-report", "term-missing")
    result = shop.runpytest_subprocess(*INLINE, *coverage)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "modal-emulator: inline containers *",
            # The line that was not reached, and the function that was not called.
            "shop.py * 11, 16-18",
        ]
    )


def test_a_function_stops_in_the_debugger(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import shop

        def test_doubles(modal_emulator):
            with shop.app.run():
                assert shop.doubles.remote(21) == 42
    """)
    command = (sys.executable, "-m", "pytest", "-s", *INLINE)
    result = shop.run(*command, stdin=b"p f'{twice} is twice {number}'\nc\n")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*-> return twice", "*'42 is twice 21'", "*1 passed*"])
