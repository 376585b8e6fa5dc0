"""
A worker that reloads before it hears of the job, and does not find the job's file.

`submit` commits the file before it announces the job, as it should. But `work` has its volume
fresh "anyway" and reloads first. Whatever is committed after that reload began is not in its
view, and the announcement may come right after. It is the same with a reload "at most every ten
seconds", and with one that another input of the container began a moment ago and that ends after
the event.

Remember: only a reload that begins after the event has to show what the event is about.
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
    volume.reload()
    job = queue.get()
    return (JOBS / f"{job}.txt").read_text().upper()
