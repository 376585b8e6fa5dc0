"""What a journal tells: lanes, entries where their effects were, and what followed from what."""

import pytest

from modal_emulator.emulator import Running
from modal_emulator.findings.finding import Subject
from modal_emulator.findings.story import Entry, Story
from modal_emulator.ground.steps import Kind
from shelfwork import app, write
from tales import Tale


def only(story: Story, kind: str, lane: str = "") -> Entry:
    (found,) = (e for e in story.entries if e.kind == kind and (not lane or e.lane == lane))
    return found


def words(story: Story, *kinds: str) -> list[str]:
    return [f"{story.lane(e.lane).title} {e.kind}" for e in story.entries if e.kind in kinds]


@pytest.mark.parametrize("runtime", ["inline", "process"])
def test_a_run_is_told_in_the_order_of_its_effects(runtime: str, request: pytest.FixtureRequest):
    request.applymarker(pytest.mark.modal(runtime=runtime))
    running: Running = request.getfixturevalue("modal_emulator")
    with app.run():
        assert write.remote() == "1"
    story = running.story()
    assert words(story, "call", "input", "commit", "reload", "output", "result") == [
        "client call",
        "write input",
        "write commit",
        "write call",
        "read input",
        "read reload",
        "read output",
        "write result",
        "write output",
        "client result",
    ]
    assert {lane.how for lane in story.lanes} == {"", "in order"}
    (version,) = story.versions
    assert (version.volume, version.paths, version.base) == ("shelf", ("a.txt",), 0)
    assert story.entries[version.entry].kind == "commit"
    assert only(story, "reload").version == 1
    calls = [e for e in story.entries if e.kind == "call"]
    assert [e.object for e in calls] == ["write", "read"]


def test_a_call_and_its_result_are_followed() -> None:
    tale = Tale()
    tale.start("add")
    call = tale.call("", "add")
    tale.output("add", call)
    tale.result("", call)
    story = tale.story()
    assert only(story, "input").after == (only(story, "call").number,)
    assert only(story, "result").after == (only(story, "output").number,)
    assert only(story, "input").where  # the step was joined with what the journal told ahead


def test_a_batch_is_one_entry() -> None:
    tale = Tale()
    for name in ("a", "b"):
        tale.queue("", name)
    for name in ("a", "b"):
        tale.journal.add(
            "input.taken", input_id=f"in-{name}", function_id="", call_id=name, container_id="add"
        )
    tale.step("add", Kind.INPUT)
    story = tale.story()
    calls = tuple(e.number for e in story.entries if e.kind == "call")
    assert only(story, "input").after == calls


def test_taking_follows_from_the_put_of_what_is_taken() -> None:
    tale = Tale()
    tale.put("a", 2)
    tale.put("b")
    for _ in range(3):
        tale.get("c")
    story = tale.story()
    puts = [e.number for e in story.entries if e.kind == "queue put"]
    gets = [e.after for e in story.entries if e.kind == "queue get"]
    assert gets == [(puts[0],), (puts[0],), (puts[1],)]


def test_a_read_follows_from_the_last_write_of_its_key() -> None:
    tale = Tale()
    tale.set("a", "done")
    tale.set("b", "done")
    tale.set("a", "other")
    tale.ask("c", "done")
    tale.ask("d", "")
    tale.ask("e", "missing")
    writes = [e.number for e in tale.story().entries if e.kind == "dict write"]
    reads = [e.after for e in tale.story().entries if e.kind == "dict read"]
    assert reads == [(writes[1],), (writes[1], writes[2]), ()]


def followed(tale: Tale) -> list[tuple[str, list[str]]]:
    """Who did something with the Dict, and after whose doing."""
    entries = [e for e in tale.story().entries if e.kind.startswith("dict")]
    everything = tale.story().entries
    return [(e.lane, [everything[n].lane for n in e.after]) for e in entries]


def test_a_lock_goes_from_who_gives_it_back_to_who_gets_it() -> None:
    tale = Tale()
    tale.lock("a", "lock")
    tale.lock("b", "lock", done=False)
    tale.pop("a", "lock")
    tale.lock("c", "lock")
    tale.pop("c", "lock")
    tale.lock("b", "lock")
    assert followed(tale) == [
        ("a", []),
        ("b", ["a"]),  # it saw that the key is there
        ("a", []),
        ("c", ["a"]),
        ("c", []),
        ("b", ["c"]),
    ]


def test_who_clears_a_dict_gives_all_its_locks_back() -> None:
    tale = Tale()
    tale.set("a", "one", "two")
    tale.clear("b")
    tale.lock("c", "two")
    tale.ask("d", "one")
    tale.ask("e", "")
    tale.lock("f", "never there")
    assert [after for _, after in followed(tale)] == [[], [], ["b"], ["b"], ["c"], []]


def test_who_writes_without_looking_learns_nothing() -> None:
    tale = Tale()
    tale.lock("a", "lock")
    tale.set("b", "lock")
    tale.pop("c", "lock")
    assert followed(tale) == [("a", []), ("b", []), ("c", ["b"])]


def test_who_did_nothing_tells_nothing() -> None:
    tale = Tale()
    tale.pop("a", "lock", done=False)
    tale.lock("b", "lock")
    tale.lock("c", "lock", done=False)
    tale.ask("d", "lock")
    assert followed(tale) == [("a", []), ("b", []), ("c", ["b"]), ("d", ["b"])]


def test_an_entry_that_expired_was_taken_by_nobody() -> None:
    tale = Tale()
    tale.lock("a", "lock")
    tale.lock("b", "lock")
    tale.pop("c", "lock", done=False)
    assert followed(tale) == [("a", []), ("b", []), ("c", [])]


def test_what_was_cleared_away_is_not_what_is_taken() -> None:
    tale = Tale()
    tale.put("a")
    tale.step("b", Kind.QUEUE_GET, "", object_id="qu-work")
    tale.put("c")
    tale.get("d")
    story = tale.story()
    got = only(story, "queue get", "d")
    assert [story.entries[n].lane for n in got.after] == ["c"]


def test_who_calls_on_a_schedule_is_nobody() -> None:
    tale = Tale()
    tale.queue(None, "tick")
    tale.take("add", "tick")
    assert only(tale.story(), "input").after == ()


def test_what_was_found_on_the_spot_is_a_finding(modal_emulator: Running) -> None:
    modal_emulator.ask(
        lambda world: world.journal.add(
            "finding",
            subject="secret leak",
            title="API_KEY in the log",
            text="printed\nthere",
            object="api",
            path="",
            container_id="",
        )
    )
    (finding,) = modal_emulator.findings()
    assert finding.subject is Subject.SECRET_LEAK
    assert (finding.objects, finding.text) == (("api",), ("printed", "there"))
    assert str(finding) == "secret leak: API_KEY in the log\n  printed\n  there"
