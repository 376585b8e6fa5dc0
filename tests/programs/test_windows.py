"""Moments between two states of a container: within a reload, and at its end."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from boxes import ONE
from modal_emulator.emulator import Running
from modal_emulator.ground.errors import DataLoss
from modal_emulator.store.volumes import Volumes

FAILED = "modal.Volume background commit failed for {}. Exception: "


def test_a_mount_is_empty_while_it_is_reloaded(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modal says so of the container that reloads; its other inputs can see it."""
    inside, go = threading.Event(), threading.Event()
    stage: Callable[..., Any] = Volumes.stage_still

    def slowly(self: Volumes, *arguments: Any) -> Any:
        inside.set()
        assert go.wait(30)
        return stage(self, *arguments)

    monkeypatch.setattr(Volumes, "stage_still", slowly)
    with jobs.app.run():
        busy, other = jobs.Busy(), jobs.Box(name="other")
        busy.do.remote("shell", f"echo 1 > {ONE}/a.txt")
        other.do.remote("shell", f"echo 2 > {ONE}/b.txt")
        reload = busy.do.spawn("reload", ONE)
        assert inside.wait(30)
        assert busy.do.remote("names", ONE) == []
        assert other.do.remote("names", ONE) == ["b.txt"]
        go.set()
        assert reload.get() == ""
        assert busy.do.remote("names", ONE) == ["a.txt"]


def test_a_last_commit_that_fails_is_in_the_logs(
    jobs: Any,
    modal_emulator: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The call has its result by then, and the container ends in order all the same."""

    def lost(*_: Any) -> None:
        raise DataLoss("failed to publish commit to server")

    with jobs.app.run():
        monkeypatch.setattr(Volumes, "publish", lost)
        assert jobs.write_once.remote(f"{ONE}/a.txt") == f"{ONE}/a.txt"
        modal_emulator.settle()
        volume = jobs.DATA[ONE]
        # The SDK writes to the stream that was there when it was imported first.
        logs = "".join(capsys.readouterr()) + caplog.text
        assert FAILED.format(volume.object_id) in logs
        assert "failed to publish commit to server" in logs
        assert list(volume.listdir("/")) == []
