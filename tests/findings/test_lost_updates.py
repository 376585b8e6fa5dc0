"""Lost updates, in journals written by hand: what is one, and what only looks like one."""

import pytest

from modal_emulator.findings.book import Copy
from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.findings.search import search
from modal_emulator.ground.steps import Kind
from tales import Tale

INDEX = "index.json"


def lost(tale: Tale, contents=None) -> list[Finding]:
    wanted = (Subject.LOST_UPDATE, Subject.OVERWRITTEN)
    return [one for one in search(tale.story(), contents) if one.subject in wanted]


def add(tale: Tale, who: str, path: str = INDEX) -> None:
    tale.step(who, Kind.READ, path)
    tale.step(who, Kind.WRITE, path)


@pytest.fixture
def tale() -> Tale:
    """Two containers that look at the same version of a volume with an index."""
    tale = Tale()
    tale.upload(INDEX)
    for who in ("add#1", "add#2"):
        tale.start(who)
    return tale


def test_both_read_and_both_write(tale: Tale) -> None:
    add(tale, "add#1")
    add(tale, "add#2")
    tale.commit("add#1", INDEX)
    tale.commit("add#2", INDEX)
    (finding,) = lost(tale)
    assert finding.subject is Subject.LOST_UPDATE
    assert finding.title == "add#2 undid what add#1 had written to index.json in 'shelf'"
    assert (finding.paths, finding.objects) == ((INDEX,), ("shelf",))
    assert finding.containers == ("add#2", "add#1")
    text = "\n".join(finding.text)
    entries = tale.story().entries
    for number in finding.entries:
        assert entries[number].where[0] in text
    assert [entries[n].kind for n in finding.entries] == ["read", "write", "commit", "commit"]


def test_no_update_is_lost_when_one_follows_the_other(tale: Tale) -> None:
    for who in ("add#1", "add#2"):
        tale.reload(who)
        add(tale, who)
        tale.commit(who, INDEX)
    assert lost(tale) == []


@pytest.mark.parametrize("reloads, count", [(True, 0), (False, 1)])
def test_a_lock_helps_whoever_reloads_under_it(tale: Tale, *, reloads: bool, count: int) -> None:
    for who in ("add#1", "add#2"):
        tale.lock(who, "lock")
        if reloads:
            tale.reload(who)
        add(tale, who)
        tale.commit(who, INDEX)
        tale.pop(who, "lock")
    assert len(lost(tale)) == count


def test_what_is_written_unread_may_be_meant_to_win(tale: Tale) -> None:
    for who in ("add#1", "add#2"):
        tale.step(who, Kind.WRITE, INDEX)
    tale.commit("add#1", INDEX)
    tale.commit("add#2", INDEX)
    assert [one.subject for one in lost(tale)] == [Subject.OVERWRITTEN]


def test_a_read_of_an_earlier_view_is_none_of_this_one(tale: Tale) -> None:
    tale.step("add#2", Kind.READ, INDEX)
    tale.reload("add#2")
    tale.step("add#1", Kind.WRITE, INDEX)
    tale.commit("add#1", INDEX)
    tale.step("add#2", Kind.WRITE, INDEX)
    tale.commit("add#2", INDEX)
    assert [one.subject for one in lost(tale)] == [Subject.OVERWRITTEN]


def test_what_nobody_saw_written_is_told_with_perhaps(tale: Tale) -> None:
    tale.commit("add#1", INDEX)
    tale.commit("add#2", INDEX)
    (finding,) = lost(tale)
    assert finding.subject is Subject.LOST_UPDATE
    assert "add#2 perhaps undid" in finding.title


def test_an_own_version_is_no_other(tale: Tale) -> None:
    for _ in range(2):
        add(tale, "add#1")
        tale.commit("add#1", INDEX)
    assert lost(tale) == []


def test_other_paths_do_not_meet(tale: Tale) -> None:
    add(tale, "add#1", "a")
    add(tale, "add#2", "b")
    tale.commit("add#1", "a")
    tale.commit("add#2", "b")
    assert lost(tale) == []


def test_a_file_that_is_replaced_by_renaming(tale: Tale) -> None:
    for who in ("add#1", "add#2"):
        tale.step(who, Kind.READ, INDEX)
        tale.step(who, Kind.WRITE, "new")
        tale.step(who, Kind.RENAME, "new", to=INDEX)
    tale.commit("add#1", INDEX)
    tale.commit("add#2", INDEX)
    (finding,) = lost(tale)
    assert finding.subject is Subject.LOST_UPDATE


@pytest.mark.parametrize(
    "first, subject",
    [
        ({"kind": Kind.WRITE, "path": INDEX, "keeps": True}, Subject.LOST_UPDATE),
        ({"kind": Kind.LIST, "path": ""}, Subject.LOST_UPDATE),
        ({"kind": Kind.LOOK, "path": INDEX, "error": "FileNotFoundError"}, Subject.LOST_UPDATE),
        # A question of the same line is a part of the writing, as in `shutil.copy`.
        ({"kind": Kind.LOOK, "path": INDEX, "where": "app.py:1 in add"}, Subject.OVERWRITTEN),
        ({"kind": Kind.READ, "path": "other"}, Subject.OVERWRITTEN),
    ],
)
def test_what_counts_as_having_read(tale: Tale, first: dict, subject: Subject) -> None:
    tale.step("add#2", **first)
    tale.commit("add#1", INDEX)
    tale.step("add#2", Kind.WRITE, INDEX, where="app.py:1 in add")
    tale.commit("add#2", INDEX)
    assert [one.subject for one in lost(tale)] == [subject]


def test_a_removed_directory_takes_what_others_put_there(tale: Tale) -> None:
    tale.step("add#1", Kind.WRITE, "old/new.txt")
    tale.commit("add#1", "old/new.txt")
    tale.step("add#2", Kind.LIST, "")
    tale.step("add#2", Kind.REMOVE, "old")
    tale.commit("add#2", removed=("old",))
    (finding,) = lost(tale)
    assert (finding.subject, finding.paths) == (Subject.OVERWRITTEN, ("old/new.txt",))


def test_three_of_whom_two_lose(tale: Tale) -> None:
    tale.start("add#3")
    for who in ("add#1", "add#2", "add#3"):
        add(tale, who)
    for who in ("add#1", "add#2", "add#3"):
        tale.commit(who, INDEX)
    assert [one.containers for one in lost(tale)] == [("add#2", "add#1"), ("add#3", "add#2")]


def held(texts: dict[int, bytes], *, shown: bool = True):
    def copy(volume_id: str, number: int, path: str) -> Copy:
        data = texts[number]
        return Copy(len(data), data, is_file=True, is_shown=shown)

    return copy


def test_it_says_which_lines_are_gone(tale: Tale) -> None:
    add(tale, "add#1")
    add(tale, "add#2")
    tale.commit("add#1", INDEX)
    tale.commit("add#2", INDEX)
    (finding,) = lost(tale, held({2: b"a\nb\n", 3: b"a\nc\n"}))
    text = "\n".join(finding.text)
    assert "index.json: 4 bytes were replaced by 4" in text
    assert "  -b\n" in text and "  +c\n" in text
    (finding,) = lost(tale, held({2: b"a\nb\n", 3: b"a\nc\n"}, shown=False))
    assert "-b" not in "\n".join(finding.text)
    assert lost(tale, held({2: b"same", 3: b"same"})) == []
