"""Stale reads, in journals written by hand: what is one, and what is merely concurrent."""

import pytest

from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.findings.search import search
from modal_emulator.ground.steps import Kind
from tales import Tale

PATH = "a.txt"


def stale(tale: Tale) -> list[Finding]:
    return [one for one in search(tale.story()) if one.subject is Subject.STALE_READ]


@pytest.fixture
def tale() -> Tale:
    tale = Tale()
    for who in ("write", "read"):
        tale.start(who)
    return tale


def publish(tale: Tale) -> None:
    tale.step("write", Kind.WRITE, PATH)
    tale.commit("write", PATH)


def test_a_warm_container_that_never_reloads(tale: Tale) -> None:
    call = tale.call("", "write")
    publish(tale)
    tale.output("write", call)
    tale.result("", call)
    tale.call("", "read")
    tale.step("read", Kind.READ, PATH)
    (finding,) = stale(tale)
    assert finding.title == "read read a.txt in 'shelf' as it was before write changed it"
    story = tale.story()
    assert [story.entries[n].kind for n in finding.entries] == ["commit", "input", "read"]
    assert any(line.startswith("read learnt of it by its input") for line in finding.text)


def test_what_is_concurrent_is_no_stale_read(tale: Tale) -> None:
    tale.call("", "write")
    tale.call("", "read")
    publish(tale)
    tale.step("read", Kind.READ, PATH)
    assert stale(tale) == []


def test_a_reload_makes_it_fresh(tale: Tale) -> None:
    publish(tale)
    tale.put("write")
    tale.get("read")
    tale.reload("read")
    tale.step("read", Kind.READ, PATH)
    assert stale(tale) == []


def test_a_reload_before_the_event_proves_nothing(tale: Tale) -> None:
    tale.reload("read")
    publish(tale)
    tale.put("write")
    tale.get("read")
    tale.step("read", Kind.READ, PATH)
    (finding,) = stale(tale)
    assert any(line.startswith("read learnt of it by its queue get") for line in finding.text)


def test_a_reload_before_the_event_may_have_seen_it(tale: Tale) -> None:
    publish(tale)
    tale.reload("read")
    tale.put("write")
    tale.get("read")
    tale.step("read", Kind.READ, PATH)
    assert stale(tale) == []


def test_a_message_sent_before_the_commit_tells_nothing_of_it(tale: Tale) -> None:
    tale.put("write")
    publish(tale)
    tale.get("read")
    tale.step("read", Kind.READ, PATH)
    assert stale(tale) == []


def test_a_key_that_says_it_is_ready(tale: Tale) -> None:
    publish(tale)
    tale.set("write", "ready")
    tale.ask("read", "ready")
    tale.step("read", Kind.READ, PATH)
    assert len(stale(tale)) == 1


def under_a_lock(tale: Tale, *, reloads: bool) -> None:
    tale.lock("write", "lock")
    tale.lock("read", "lock", done=False)
    publish(tale)
    tale.pop("write", "lock")
    tale.lock("read", "lock")
    if reloads:
        tale.reload("read")
    tale.step("read", Kind.READ, PATH)


def test_a_lock_without_a_reload_protects_nothing(tale: Tale) -> None:
    under_a_lock(tale, reloads=False)
    (finding,) = stale(tale)
    assert any(line.startswith("read learnt of it by its dict write") for line in finding.text)


def test_a_reload_under_the_lock_makes_it_fresh(tale: Tale) -> None:
    under_a_lock(tale, reloads=True)
    assert stale(tale) == []


def test_a_lock_that_was_free_tells_nothing(tale: Tale) -> None:
    tale.lock("read", "lock")
    tale.pop("read", "lock")
    publish(tale)
    tale.step("read", Kind.READ, PATH)
    assert stale(tale) == []


def test_knowledge_goes_by_way_of_others(tale: Tale) -> None:
    tale.start("between")
    publish(tale)
    tale.put("write")
    tale.get("between")
    tale.call("between", "read")
    tale.step("read", Kind.READ, PATH)
    assert len(stale(tale)) == 1


def test_who_shows_a_version_knows_who_made_it(tale: Tale) -> None:
    """The third container starts with the version, and sends for the reader."""
    publish(tale)
    tale.start("between")
    tale.call("between", "read")
    tale.step("read", Kind.READ, PATH)
    assert len(stale(tale)) == 1


@pytest.mark.parametrize(
    "kind, path, error, count",
    [
        (Kind.READ, PATH, "", 1),
        (Kind.LOOK, PATH, "FileNotFoundError", 1),
        (Kind.LOOK, "", "", 0),  # the directory is the same
        (Kind.LIST, "", "", 1),
        (Kind.LIST, "other", "", 0),
        (Kind.READ, "b.txt", "", 0),
        (Kind.WRITE, PATH, "", 0),
    ],
)
def test_what_counts_as_a_read(tale: Tale, kind: Kind, path: str, error: str, count: int) -> None:
    publish(tale)
    tale.put("write")
    tale.get("read")
    tale.step("read", kind, path, error=error)
    assert len(stale(tale)) == count


def test_a_question_that_is_part_of_a_writing(tale: Tale) -> None:
    """As `os.makedirs` asks for the directories above."""
    publish(tale)
    tale.put("write")
    tale.get("read")
    line = {"where": "app.py:7 in read"}
    tale.step("read", Kind.LOOK, PATH, error="FileNotFoundError", **line)
    tale.step("read", Kind.MAKE, f"{PATH}/b", **line)
    assert stale(tale) == []


def test_ones_own_writing_is_seen(tale: Tale) -> None:
    tale.step("read", Kind.WRITE, PATH)
    publish(tale)
    tale.put("write")
    tale.get("read")
    tale.step("read", Kind.READ, PATH)
    assert stale(tale) == []


def test_a_line_that_reads_again_and_again_is_told_once(tale: Tale) -> None:
    tale.step("write", Kind.WRITE, "b.txt")
    publish(tale)
    tale.commit("write", "b.txt")
    tale.put("write")
    tale.get("read")
    for path in (PATH, "b.txt", PATH):
        tale.step("read", Kind.READ, path, where="app.py:3 in read")
    (finding,) = stale(tale)
    assert finding.paths == (PATH, "b.txt")


def test_what_came_from_outside_is_known_to_who_is_called_after(tale: Tale) -> None:
    tale.upload(PATH)
    tale.call("", "read")
    tale.step("read", Kind.READ, PATH)
    (finding,) = stale(tale)
    assert "somebody outside" in finding.title
