"""
Take tasks over HTTP that are due later, and do each of them once when its time has come.

    modal deploy app.py
    curl $URL/tasks --json '{"text": "to be counted", "due": "2026-01-01T08:00:00Z"}'
    curl $URL/tasks/ID

A function with a schedule looks every minute for what is due. A run may take longer than a minute,
and then the next one begins beside it; so a run *claims* a task before it does it. `put` with
`skip_if_exists` is one step that no other run can come between, and says who was first.

What if a run dies after it claimed? Its claim is older than any run can be (`timeout`), and is
taken away, by `pop`, which again gives it to one run alone. That a task is done twice is then
possible, that its result is there twice is not: the result is one file, named after the task.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import modal
from fastapi import FastAPI, HTTPException
from fastapi import Path as InPath
from pydantic import AwareDatetime, BaseModel, Field

image = modal.Image.debian_slim().pip_install("fastapi")
app = modal.App("scheduled-tasks", image=image)
volume = modal.Volume.from_name("scheduled-tasks", create_if_missing=True)
claims = modal.Dict.from_name("scheduled-tasks-claims", create_if_missing=True)

TASKS = Path("/data/tasks")  # written by requests only, a file each
RESULTS = Path("/data/results")  # written by the runs only, a file each
LONGEST_S = 600


class NewTask(BaseModel):
    text: str = Field(min_length=1, max_length=10_000)
    due: AwareDatetime  # a time without a zone is refused: whose eight o'clock would it be?


class Task(BaseModel):
    id: str
    due: datetime
    status: str
    result: Any = None


TaskId = Annotated[str, InPath(pattern="^[0-9a-f]{16}$")]

turn = threading.Lock()


@contextmanager
def fresh() -> Iterator[None]:
    """Have the volume to oneself, as it is now: requests of one container must not overlap here."""
    with turn:
        volume.reload()
        yield


def save(path: Path, value: Any) -> None:
    """Write the whole file or none of it, and let the others see it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    half.write_text(json.dumps(value))
    half.replace(path)
    volume.commit()


api = FastAPI(title="Tasks")


@api.post("/tasks", status_code=202)
def plan(new: NewTask) -> Task:
    task_id = secrets.token_hex(8)
    due = new.due.astimezone(timezone.utc)
    with fresh():
        save(TASKS / f"{task_id}.json", {"text": new.text, "due": due.timestamp()})
    return Task(id=task_id, due=due, status="waiting")


@api.get("/tasks/{task_id}")
def look(task_id: TaskId) -> Task:
    with fresh():
        task = TASKS / f"{task_id}.json"
        if not task.exists():
            raise HTTPException(404, f"no task {task_id}")
        due = datetime.fromtimestamp(json.loads(task.read_text())["due"], timezone.utc)
        result = RESULTS / f"{task_id}.json"
        if not result.exists():
            return Task(id=task_id, due=due, status="waiting")
        return Task(id=task_id, due=due, **json.loads(result.read_text()))


@app.function(volumes={"/data": volume})
@modal.concurrent(max_inputs=20)
@modal.asgi_app()
def web() -> FastAPI:
    return api


@app.function(schedule=modal.Cron("* * * * *"), volumes={"/data": volume}, timeout=LONGEST_S)
def poll() -> list[str]:
    """Do what is due and nobody has claimed; return the ids of what was done here."""
    volume.reload()
    now = time.time()
    done = []
    for path in sorted(TASKS.glob("*.json")):
        task = json.loads(path.read_text())
        result = RESULTS / path.name
        if task["due"] <= now and not result.exists() and claim(path.stem):
            volume.reload()  # whoever had claimed it before may have ended just now
            if not result.exists():
                save(result, outcome(task["text"]))
                done.append(path.stem)
    return done


def claim(task_id: str) -> bool:
    """Say whether this run is the one to do the task."""
    if time.time() - claims.get(task_id, time.time()) > LONGEST_S:
        with suppress(KeyError):  # another run took it away
            claims.pop(task_id)
    return claims.put(task_id, time.time(), skip_if_exists=True)


def outcome(text: str) -> dict[str, Any]:
    """Do the work; a task that fails has a result, too, and does not stop those after it."""
    time.sleep(25)  # stands for work
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    try:
        return {"status": "done", "result": {"longest": max(text.split(), key=len), "at": at}}
    except ValueError as error:
        return {"status": "failed", "result": {"error": str(error), "at": at}}
