"""
The worker that reloads when it knows of the job: after the event, for each event.

`submit` committed before it put the job into the queue, so a reload that begins after `get` has
returned must show the file. A reload that is skipped because there was one lately is a reload
before the event.
"""

from pathlib import Path

import modal

app = modal.App("jobs")
volume = modal.Volume.from_name("jobs", create_if_missing=True)
queue = modal.Queue.from_name("jobs-queue", create_if_missing=True)

JOBS = Path("/jobs")


@app.function(volumes={str(JOBS): volume})
def submit(job: str, text: str) -> None:
    (JOBS / f"{job}.txt").write_text(text)
    volume.commit()
    queue.put(job)


@app.function(volumes={str(JOBS): volume})
def work() -> str:
    job = queue.get()
    volume.reload()
    return (JOBS / f"{job}.txt").read_text().upper()
