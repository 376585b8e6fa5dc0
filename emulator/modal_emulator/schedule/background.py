"""
Background commits: what a running container wrote becomes visible without its asking.

Modal commits "every few seconds" while a function runs; the interval is not published
(modal-semantics 1.5). Here it is a setting; 0 turns background commits off.
"""

from modal_emulator.ground.clock import Clock, monotonic
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.commits import Commits
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.settling import Settling

__all__ = ["commit_in_background", "commit_once"]

# At most a fifth of the time goes to background commits.
REST = 4


async def commit_in_background(
    dispatcher: Dispatcher,
    commits: Commits,
    clock: Clock,
    settling: Settling,
    journal: Journal,
    interval: float,
) -> None:
    """
    Commit every volume of every container each `interval` seconds; runs until cancelled.

    Reading what a container wrote costs time that others lack: after a long round the next one
    waits several times as long.
    """
    took = 0.0
    while interval > 0:
        await commits.any_mounted()
        await clock.sleep(max(interval, REST * took))
        began = monotonic()
        with settling.busy("background commits"):
            await commit_once(dispatcher, commits, journal)
        took = monotonic() - began


async def commit_once(dispatcher: Dispatcher, commits: Commits, journal: Journal) -> None:
    """Commit every volume of every container now."""
    for worker in dispatcher.workers():
        for volume_id in commits.volumes_of(worker.container_id):
            try:
                await commits.commit(worker.container_id, volume_id, "background")
            except (EmulatorError, OSError, KeyError) as error:
                # It is tried again after the next interval; the exit commit comes in any case.
                journal.add(
                    "volume.background-commit-failed", volume_id=volume_id, error=repr(error)
                )
