"""
Background commits: what a running container wrote becomes visible without its asking.

Modal commits "every few seconds" while a function runs; the interval is not published
(modal-semantics 1.5). Here it is a setting; 0 turns background commits off.
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Protocol

from modal_emulator.ground.clock import monotonic
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.steps import Kind, Step
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.schedule.commits import Commits
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.steps import Steps

__all__ = ["Holder", "commit_in_background", "commit_once"]

# At most a fifth of the time goes to background commits.
REST = 4


class Holder(Protocol):
    """Whatever has volumes."""

    @property
    def container_id(self) -> str:
        """The container that shows them."""
        ...


async def commit_in_background(
    dispatcher: Dispatcher,
    commits: Commits,
    clock: VirtualClock,
    settling: Settling,
    journal: Journal,
    steps: Steps,
    interval: float,
    others: Callable[[], Iterable[Holder]] = tuple,
) -> None:
    """
    Commit every volume of every container each `interval` seconds; runs until cancelled.

    Reading what a container wrote costs time that others lack: after a long round the next one
    waits several times as long. When somebody moves the clock, a year of rounds may come in a
    minute: then only containers that were at work since the last one are looked at.
    """
    took = 0.0
    while interval > 0:
        await commits.any_mounted()
        # What the machine takes is no part of a story that it does not set the time of.
        await clock.sleep(max(interval, REST * took) if clock.piece is None else interval)
        if steps.background_is_off:
            continue
        began = monotonic()
        workers = settling.stirred(dispatcher.workers())
        # Whatever is held at its commit is at rest, and so is who waits for it to be let go.
        with nullcontext() if steps.gated else settling.busy("background commits"):
            # A Sandbox is in the machine's time: in a minute's journey it does a minute's work.
            everybody: tuple[Holder, ...] = (*dispatcher.workers(), *others())
            if clock.travelling:
                everybody = tuple(workers)
            await commit_once(everybody, commits, journal, steps)
        took = monotonic() - began


async def commit_once(
    holders: Iterable[Holder],
    commits: Commits,
    journal: Journal,
    steps: Steps,
    wanted: Callable[[str], bool] = lambda volume_id: True,
) -> None:
    """Commit every volume of these containers that is wanted, now."""
    for holder in holders:
        for volume_id in filter(wanted, commits.volumes_of(holder.container_id)):
            try:
                version = commits.version(holder.container_id, volume_id)
                step = Step(
                    Kind.BACKGROUND_COMMIT,
                    holder.container_id,
                    object_id=volume_id,
                    version=version,
                )
                commit = partial(commits.commit, holder.container_id, volume_id, "background")
                await steps.take(step, commit)
            except (EmulatorError, OSError, KeyError) as error:
                # It is tried again after the next interval; the exit commit comes in any case.
                journal.add(
                    "volume.background-commit-failed", volume_id=volume_id, error=repr(error)
                )
