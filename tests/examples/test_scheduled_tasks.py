"""Tasks that are due are done once each, also by runs that overlap, and their results are there."""

from collections.abc import Callable
from types import ModuleType

import httpx
import pytest

from modal_emulator.emulator import Running

# In a process, `time.sleep` of other threads sleeps by the machine.
pytestmark = pytest.mark.modal(runtime="inline")

NINE = "2024-03-11T09:00:00Z"


@pytest.fixture
def tasks(modal_emulator: Running, example: Callable[[str], ModuleType]) -> ModuleType:
    modal_emulator.clock.freeze("2024-03-11T08:50:30Z")
    return example("scheduled_tasks.app")


@pytest.fixture
def client(tasks: ModuleType, serve: Callable[[ModuleType], httpx.Client]) -> httpx.Client:
    return serve(tasks)


def plan(client: httpx.Client, text: str, due: str) -> str:
    answer = client.post("/tasks", json={"text": text, "due": due})
    assert answer.status_code == 202
    assert answer.json()["status"] == "waiting"
    return str(answer.json()["id"])


def test_done_when_due_and_not_before(modal_emulator: Running, client: httpx.Client) -> None:
    early = plan(client, "one little word", "2024-03-11T10:00:00+01:00")  # at nine, in Berlin
    late = plan(client, "later", "2024-03-11T09:05:00Z")
    modal_emulator.clock.move_to("2024-03-11T08:59:59Z")
    assert client.get(f"/tasks/{early}").json()["status"] == "waiting"
    modal_emulator.clock.move_to("2024-03-11T09:01:30Z")
    task = client.get(f"/tasks/{early}").json()
    assert (task["due"], task["status"]) == (NINE, "done")
    assert task["result"] == {"longest": "little", "at": "2024-03-11T09:00:25+00:00"}
    assert client.get(f"/tasks/{late}").json()["status"] == "waiting"
    modal_emulator.clock.move_to("2024-03-11T09:06:30Z")
    assert client.get(f"/tasks/{late}").json()["status"] == "done"


def test_runs_that_overlap_do_each_task_once(
    modal_emulator: Running, client: httpx.Client, tasks: ModuleType
) -> None:
    """Five tasks are more than a run does in a minute, so the next run begins beside it."""
    planned = {plan(client, "a task", NINE) for _ in range(5)}
    modal_emulator.clock.move_to("2024-03-11T09:10:00Z")
    results = {f"results/{task_id}.json" for task_id in planned}
    versions = modal_emulator.volume("scheduled-tasks").versions
    written = [path for version in versions for path in version.paths if "results/" in path]
    assert sorted(written) == sorted(results)
    assert {client.get(f"/tasks/{task_id}").json()["status"] for task_id in planned} == {"done"}


def test_a_task_that_fails_has_a_result_and_stops_no_other(
    modal_emulator: Running, client: httpx.Client
) -> None:
    bad, good = plan(client, "  ", NINE), plan(client, "words", NINE)
    modal_emulator.clock.move_to("2024-03-11T09:05:00Z")
    failed = client.get(f"/tasks/{bad}").json()
    assert failed["status"] == "failed"
    assert failed["result"]["error"]
    assert client.get(f"/tasks/{good}").json()["status"] == "done"


def test_what_a_dead_run_had_claimed_is_done_by_another(
    modal_emulator: Running, client: httpx.Client
) -> None:
    task_id = plan(client, "left behind", NINE)
    modal_emulator.clock.move_to("2024-03-11T08:59:30Z")
    claims = modal_emulator.dict("scheduled-tasks-claims")
    claims.update({task_id: modal_emulator.clock.now().timestamp()})
    modal_emulator.clock.move_to("2024-03-11T09:09:00Z")
    assert client.get(f"/tasks/{task_id}").json()["status"] == "waiting"
    modal_emulator.clock.move_to("2024-03-11T09:11:00Z")
    task = client.get(f"/tasks/{task_id}").json()
    assert task["result"]["at"] == "2024-03-11T09:10:25+00:00"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"text": "x", "due": "2024-03-11T09:00:00"}, "due"),
        ({"text": "x", "due": "soon"}, "due"),
        ({"text": "", "due": NINE}, "text"),
    ],
)
def test_what_is_no_task_is_refused(client: httpx.Client, body: dict[str, str], what: str) -> None:
    answer = client.post("/tasks", json=body)
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == [["body", what]]


def test_an_unknown_task(client: httpx.Client) -> None:
    assert client.get(f"/tasks/{'0' * 16}").status_code == 404
