"""Ten days of logs: from the eighth on, the oldest goes each night, by its time of modification."""

from collections.abc import Callable
from datetime import datetime, timezone
from types import ModuleType

from modal_emulator.emulator import Running


def test_ten_days(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    cleanup = example("nightly_cleanup")
    clock = modal_emulator.clock
    clock.freeze("2024-02-25T12:00:00Z")
    cleanup.app.deploy()
    kept = []
    for _ in range(10):
        clock.advance(days=1)
        logs = cleanup.volume.listdir("/logs")
        kept.append(
            [f"{datetime.fromtimestamp(log.mtime, timezone.utc):%m-%d %H:%M}" for log in logs]
        )
        assert [log.path for log in logs] == [f"logs/2024-{day.split()[0]}.log" for day in kept[-1]]
    assert kept[0] == ["02-25 18:00"]
    assert [len(logs) for logs in kept] == [1, 2, 3, 4, 5, 6, 7, 7, 7, 7]
    days = ("02-28", "02-29", "03-01", "03-02", "03-03", "03-04", "03-05")
    assert kept[-1] == [f"{day} 18:00" for day in days]


def test_what_is_young_stays(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    cleanup = example("nightly_cleanup")
    modal_emulator.clock.freeze("2024-03-08T03:00:00Z")
    with cleanup.app.run():
        cleanup.write_log.remote()
        modal_emulator.clock.advance(days=7)
        assert cleanup.clean_up.remote() == []
        modal_emulator.clock.advance(seconds=1)
        assert cleanup.clean_up.remote() == ["2024-03-08.log"]
