"""
A poller that dies between its work and the note that it is done.

The reminder is sent, the container is killed before it commits that, and the next run sends it
once more. Right, where what is done can know what was done before: do it under the task's own
name, so that doing it twice is the same as doing it once.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import modal

from races.case import Bug, Twin

if TYPE_CHECKING:
    from modal_emulator.emulator import Running

volume = modal.Volume.from_name("tasks", create_if_missing=True)
outbox = modal.Queue.from_name("tasks-outbox", create_if_missing=True)
sent = modal.Dict.from_name("tasks-sent", create_if_missing=True)
TASKS = Path("/tasks")
broken = modal.App("tasks-broken")
fixed = modal.App("tasks-fixed")


@broken.function(volumes={str(TASKS): volume})
def poll() -> None:
    volume.reload()
    for task in sorted(TASKS.glob("*.due")):
        outbox.put(task.stem)
        task.rename(task.with_suffix(".done"))
    volume.commit()


@fixed.function(volumes={str(TASKS): volume})
def poll_by_name() -> None:
    """Hand the task to a mail server that takes a name once; here, a Dict and a queue behind it."""
    volume.reload()
    for task in sorted(TASKS.glob("*.due")):
        sent.put(task.stem, "dear Ann", skip_if_exists=True)
        task.rename(task.with_suffix(".done"))
    volume.commit()


def one_task(running: Running) -> None:
    running.volume("tasks").write("1.due", "dear Ann")


def two_runs(function: modal.Function) -> None:
    for _ in range(2):
        with suppress(Exception):  # one of them may be killed
            function.remote()


def sent_once(running: Running) -> None:
    two_runs(poll)
    assert running.queue("tasks-outbox").drain() == ["1"]


def sent_by_name(running: Running) -> None:
    two_runs(poll_by_name)
    assert dict(running.dict("tasks-sent")) == {"1": "dear Ann"}


BUG = Bug(
    Twin(broken, sent_once),
    Twin(fixed, sent_by_name),
    setup=one_task,
    options={"kills": 1},
)
