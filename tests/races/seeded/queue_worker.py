"""
A worker that says "done" before it commits.

Whoever hears it reloads, and finds no result. Right: done is what is committed.
"""

from pathlib import Path

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin, at_once

volume = modal.Volume.from_name("results", create_if_missing=True)
jobs = modal.Queue.from_name("results-jobs", create_if_missing=True)
done = modal.Dict.from_name("results-done", create_if_missing=True)
RESULTS = Path("/results")
broken = modal.App("results-broken")
fixed = modal.App("results-fixed")


def result_of(job: str) -> str:
    """Return the result; empty while there is none."""
    if not done.get(job):
        return ""
    volume.reload()
    return (RESULTS / job).read_text()


@broken.function(volumes={str(RESULTS): volume})
def work() -> None:
    job = jobs.get()
    (RESULTS / job).write_text("42")
    done[job] = True
    volume.commit()


@broken.function(volumes={str(RESULTS): volume})
def ask(job: str) -> str:
    return result_of(job)


@fixed.function(volumes={str(RESULTS): volume})
def work_and_commit() -> None:
    job = jobs.get()
    (RESULTS / job).write_text("42")
    volume.commit()
    done[job] = True


@fixed.function(volumes={str(RESULTS): volume})
def ask_again(job: str) -> str:
    return result_of(job)


def one_job(running: Running) -> None:
    running.queue("results-jobs").put("answer")


def asked_meanwhile(working: modal.Function, asking: modal.Function) -> Program:
    def program(_: Running) -> None:
        assert at_once([working], [asking, "answer"])[1] in ("", "42")

    return program


BUG = Bug(
    Twin(broken, asked_meanwhile(work, ask)),
    Twin(fixed, asked_meanwhile(work_and_commit, ask_again)),
    setup=one_job,
)
