"""The smaller searches, each with a journal that has it and others that only look like it."""

import pytest

from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.findings.search import search
from modal_emulator.ground.steps import Kind
from tales import Tale

REFUSED = "OpenFiles('there are open files preventing the operation')"


def found(tale: Tale, subject: Subject) -> list[Finding]:
    return [one for one in search(tale.story()) if one.subject is subject]


@pytest.fixture
def tale() -> Tale:
    tale = Tale()
    for who in ("work", "read"):
        tale.start(who)
    return tale


# -------------------------------------------------------------------- uncommitted at exit


def test_what_went_with_a_container(tale: Tale) -> None:
    tale.step("work", Kind.WRITE, "a.txt", where="app.py:7 in work")
    tale.lost("work", "a.txt")
    tale.exit("work", why="killed", code=137)
    (finding,) = found(tale, Subject.UNCOMMITTED)
    assert finding.title == "a.txt of 'shelf' went with work, uncommitted"
    assert "written last: app.py:7 in work" in finding.text
    assert "(killed)" in finding.text[0]


def test_nothing_went_with_a_container(tale: Tale) -> None:
    tale.lost("work")
    tale.exit("work")
    assert not found(tale, Subject.UNCOMMITTED)


# -------------------------------------------------------------------- saved only in background


@pytest.mark.parametrize(
    "via, ends, count",
    [
        ("background", True, 1),
        ("exit", True, 1),
        ("background", False, 0),
        ("commit", True, 0),
        ("reload", True, 0),
    ],
)
def test_writes_that_only_the_background_saved(
    tale: Tale, via: str, ends: bool, count: int
) -> None:
    call = tale.call("", "work")
    tale.step("work", Kind.WRITE, "a.txt", call_id=call)
    if ends:
        tale.output("work", call)
    tale.commit("work", "a.txt", via=via)
    assert len(found(tale, Subject.BACKGROUND)) == count


# -------------------------------------------------------------------- reloads


def test_a_file_that_stays_open(tale: Tale) -> None:
    tale.step("work", Kind.READ, "log.txt", where="app.py:3 in work")
    tale.step("work", Kind.READ, "closed.txt")
    tale.step("work", Kind.CLOSE, "closed.txt")
    tale.step("work", Kind.RELOAD, error=REFUSED)
    (finding,) = found(tale, Subject.BLOCKED_RELOAD)
    assert finding.paths == ("log.txt",)
    assert "log.txt is open since app.py:3 in work" in finding.text


def test_the_end_of_a_container_closes_its_files_too_late(tale: Tale) -> None:
    tale.step("work", Kind.READ, "log.txt")
    tale.step("work", Kind.RELOAD, error=REFUSED)
    tale.step("work", Kind.STOP)
    tale.step("work", Kind.CLOSE, "log.txt")
    assert len(found(tale, Subject.BLOCKED_RELOAD)) == 1


def test_a_reload_that_was_granted_later(tale: Tale) -> None:
    tale.step("work", Kind.READ, "log.txt")
    tale.step("work", Kind.RELOAD, error=REFUSED)
    tale.reload("work")
    assert not found(tale, Subject.BLOCKED_RELOAD)


def test_a_holder_that_nobody_saw(tale: Tale) -> None:
    """One refusal may have been a moment's; two are not."""
    tale.step("work", Kind.RELOAD, error=REFUSED)
    assert not found(tale, Subject.BLOCKED_RELOAD)
    tale.step("work", Kind.RELOAD, error=REFUSED)
    assert len(found(tale, Subject.BLOCKED_RELOAD)) == 1


def test_a_file_that_was_closed_after_the_refusal(tale: Tale) -> None:
    tale.step("work", Kind.READ, "log.txt")
    tale.step("work", Kind.RELOAD, error=REFUSED)
    tale.step("work", Kind.CLOSE, "log.txt")
    assert not found(tale, Subject.BLOCKED_RELOAD)


def test_another_error_is_no_refusal(tale: Tale) -> None:
    for _ in range(2):
        tale.step("work", Kind.RELOAD, error="NotFound('no such volume')")
    assert not found(tale, Subject.BLOCKED_RELOAD)


# -------------------------------------------------------------------- temporary files


@pytest.mark.parametrize("count, told", [(5, 1), (4, 0)])
def test_files_that_do_not_last(tale: Tale, count: int, told: int) -> None:
    for number in range(count):
        tale.step("work", Kind.WRITE, f"part{number}")
        tale.step("work", Kind.REMOVE, f"part{number}")
    assert len(found(tale, Subject.TEMPORARY)) == told


def test_names_of_tempfile(tale: Tale) -> None:
    for number in range(5):
        tale.step("work", Kind.WRITE, f"out/tmpab_c12{number}9")
    (finding,) = found(tale, Subject.TEMPORARY)
    assert len(finding.paths) == 5


def test_a_file_that_gets_its_name_at_the_end_is_none(tale: Tale) -> None:
    for number in range(6):
        tale.step("work", Kind.WRITE, "tmpabcdefgh")
        tale.step("work", Kind.RENAME, "tmpabcdefgh", to=f"{number}.json")
    assert not found(tale, Subject.TEMPORARY)


def test_old_files_that_are_removed_are_none(tale: Tale) -> None:
    for number in range(6):
        tale.step("work", Kind.READ, f"{number}.json")
        tale.step("work", Kind.REMOVE, f"{number}.json")
    assert not found(tale, Subject.TEMPORARY)


# -------------------------------------------------------------------- torn publishes


def tear(tale: Tale, *, between: bool = True) -> None:
    call = tale.call("", "work")
    tale.step("work", Kind.WRITE, "manifest", call_id=call)
    if between:
        tale.commit("work", "manifest", via="background")
        tale.reload("read")
    tale.step("work", Kind.WRITE, "data", call_id=call)
    tale._version("work", "commit", ("data",) if between else ("manifest", "data"), ())
    tale.step("work", Kind.COMMIT, call_id=call)


@pytest.mark.parametrize(
    "between, paths, count",
    [
        (True, ("manifest", "data"), 1),
        (True, ("manifest",), 0),
        (False, ("manifest", "data"), 0),
    ],
)
def test_halves_that_somebody_saw(
    tale: Tale, between: bool, paths: tuple[str, ...], count: int
) -> None:
    tear(tale, between=between)
    for path in paths:
        error = "FileNotFoundError()" if path == "data" else ""
        tale.step("read", Kind.READ, path, error=error)
    findings = found(tale, Subject.TORN)
    assert len(findings) == count
    if findings:
        assert "saw manifest of 'shelf' with data missing" in findings[0].title
        assert findings[0].containers == ("work", "read")


def test_halves_that_nobody_saw(tale: Tale) -> None:
    tear(tale)
    tale.reload("read")
    for path in ("manifest", "data"):
        tale.step("read", Kind.READ, path)
    assert not found(tale, Subject.TORN)
