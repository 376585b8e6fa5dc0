"""What a test gets from functions that run in its own process: mocks, coverage, the debugger."""

import sys

import pytest

pytestmark = pytest.mark.slow

SHOP = """
import threading
import urllib.request
import modal

app = modal.App("shop")
over = threading.Event()

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

@app.function()
def goes_on():
    threading.Thread(target=over.wait, name="waits").start()
"""

INLINE = ("--modal-runtime", "inline")


@pytest.fixture
def shop(user: pytest.Pytester) -> pytest.Pytester:
    """A shop that can do more."""
    user.makepyfile(shop=SHOP)
    return user


def test_mocks_and_coverage_reach_functions_and_threads_are_named(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import pytest, shop

        @pytest.fixture(scope="session", autouse=True)
        def ends():
            yield
            shop.over.set()

        def test_mocks(modal_emulator, monkeypatch):
            monkeypatch.setattr("urllib.request.urlopen", lambda url: f"mocked {url}")
            with shop.app.run():
                assert shop.fetch.remote(7) == "mocked http://orders.example/7"

        def test_leaves_a_thread(modal_emulator):
            with shop.app.run():
                shop.goes_on.remote()

        def test_is_told_once(modal_emulator):
            pass
    """)
    coverage = ("-p", "pytest_cov", "--cov", "shop", "--cov-report", "term-missing")
    result = shop.runpytest_subprocess(*INLINE, *coverage)
    result.assert_outcomes(passed=3)  # the SDK may warn besides, of an old Python say
    result.stdout.fnmatch_lines(
        [
            "modal-emulator: inline containers *",
            "*ThreadsLeft: thread 'waits' of goes_on goes on at *threading.py:*",
            # The line that was not reached, and the function that was not called.
            "shop.py * 13, 18-20",
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
    result.stdout.fnmatch_lines(["*)doubles()", "*'42 is twice 21'", "*1 passed*"])
