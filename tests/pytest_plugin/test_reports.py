"""What is told of a test when it fails, what it keeps, and what it leaves behind."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TESTS = """
import threading
import modal, pytest, shop

pytestmark = pytest.mark.modal(background_commit_seconds=0)

def test_fails(modal_emulator):
    with shop.app.run():
        shop.write.remote("first.txt", "it is a secret")
        shop.write.remote("second.txt", "another")
    shop.volume.remove_file("first.txt")
    modal_emulator.faults.commit_fails("orders")
    assert [entry.path for entry in shop.volume.listdir("/")] == ["first.txt"]

def test_passes(modal_emulator):
    shop.volume.hydrate()

def test_swallows(modal_emulator, monkeypatch):
    monkeypatch.setenv("MODAL_SERVER_URL", "http://192.0.2.1:5")
    try:
        modal.Client.from_credentials("ak-mine", "as-mine").hello()
    except BaseException:
        pass

@pytest.fixture
def runs_on():
    over, ready = threading.Event(), threading.Event()

    def run():
        try:
            with shop.app.run():
                ready.set()
                over.wait()
        except Exception:
            pass  # its client is gone

    thread = threading.Thread(target=run)
    yield thread, ready
    over.set()
    thread.join()

def test_leaves_an_app(runs_on, modal_emulator):
    thread, ready = runs_on
    thread.start()
    assert ready.wait(60)
"""


def test_a_failure_tells_who_wrote_what(
    user: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    user.makepyfile(TESTS)
    result = user.runpytest_subprocess("--modal-runtime", "process", "--modal-keep=failed")
    result.assert_outcomes(passed=2, failed=2)
    told = ["*- modal-emulator -*", "volume orders: 3 versions"]
    told += ["  version * paths", "  3 * 2 * api * from outside * first.txt (removed)"]
    told += ["  2 * 0 * commit * write (ta-*) *second.txt", "  1 * write (ta-*) *first.txt"]
    told += ["planned and never met: commit_fails('orders', times=1)"]
    result.stdout.fnmatch_lines(
        [
            "modal-emulator: process containers, as asked for, modal *",
            *told,
            "modal-emulator refused connections to 192.0.2.1",
            "*AppsLeft: still ran when the test ended: shop",
            "*test_fails: *-test_fails",
            "*test_swallows: *-test_swallows",
        ]
    )
    assert "hunter2" not in result.stdout.str()
    assert "it is a secret" not in result.stdout.str().split("- modal-emulator -")[1]
    (kept,) = tmp_path.glob("modal-kept-*/*-test_fails")
    assert (kept / "main/orders/second.txt").read_text() == "another"
    assert not (kept / "main/orders/first.txt").exists()
    assert "volume orders: 3 versions" in (kept / "versions.txt").read_text()
    assert len(list(kept.parent.iterdir())) == 2


def test_without_the_fixture_the_way_is_closed_on_demand(user: pytest.Pytester) -> None:
    user.makepyfile("""
        import modal

        def test_reaches_out(monkeypatch):
            monkeypatch.setenv("MODAL_SERVER_URL", "http://192.0.2.1:5")
            try:
                modal.Client.from_credentials("ak-mine", "as-mine").hello()
            except BaseException:
                pass
    """)
    result = user.runpytest_subprocess("-q", "-o", "modal_guard=strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["modal-emulator refused connections to 192.0.2.1"])
