"""A run as lines for a terminal and as a page: what stands in it, and that nothing escapes."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from modal_emulator.findings.entries import Story
from modal_emulator.findings.finding import Finding
from modal_emulator.findings.search import search
from modal_emulator.ground.steps import Kind
from modal_emulator.picture import draw_html, draw_svg, draw_text
from modal_emulator.picture.rows import rows_of
from modal_emulator.picture.words import clipped, listed
from tales import Tale

SVG = "{http://www.w3.org/2000/svg}"


def lost_update(tale: Tale, first: str = "add#1", second: str = "add#2") -> Tale:
    """Two containers read a file, and the second commit undoes the first."""
    for who in (first, second):
        tale.start(who)
        tale.call("", who)
        tale.step(who, Kind.READ, "index.json")
        tale.step(who, Kind.WRITE, "index.json")
    tale.commit(first, "index.json")
    tale.commit(second, "index.json")
    return tale


def many(count: int) -> Tale:
    """Much that tells little, and a lost update in the midst of it."""
    tale = Tale()
    tale.start("reader")
    tale.call("", "reader")
    for number in range(count):
        tale.step("reader", Kind.READ, f"{number}.bin")
    lost_update(tale)
    for number in range(count):
        tale.step("reader", Kind.LOOK, f"{number}.bin")
    return tale


@pytest.fixture
def told() -> tuple[Story, tuple[Finding, ...]]:
    story = lost_update(Tale()).story()
    findings = search(story)
    assert [str(finding.subject) for finding in findings] == ["lost update"]
    return story, findings


def page_of(story: Story, findings: tuple[Finding, ...]) -> ElementTree.Element:
    text = draw_html(story, findings, "test_shop.py::test_it")
    start, page = text.split("\n", 1)
    assert start == "<!DOCTYPE html>"
    return ElementTree.fromstring(page)


def groups(page: ElementTree.Element) -> dict[str, str]:
    """Return the classes of the drawing's rows by their ids."""
    found = page.iter(f"{SVG}g")
    return {str(g.get("id")): str(g.get("class")) for g in found if g.get("id")}


def test_the_lines_of_a_lost_update(told: tuple[Story, tuple[Finding, ...]]) -> None:
    assert draw_text(*told).splitlines() == [
        "  A = add#1 (add#1)",
        "  B = client",
        "  C = add#2 (add#2)",
        "  *      A starts, with shelf at v0",
        "  | *    B calls fu-1",
        "  * |    A reads index.json: sees v0       app.py:4 in add#1",
        "  * |    A writes index.json               app.py:5 in add#1",
        "  | | *  C starts, with shelf at v0",
        "  | * |  B calls fu-1",
        "! |   *  C reads index.json: sees v0       app.py:9 in add#2",
        "! |   *  C writes index.json               app.py:10 in add#2",
        "! *   |  A commits shelf: on v0, makes v1  app.py:11 in add#1",
        "!     *  C commits shelf: on v0, makes v2  app.py:12 in add#2",
    ]


def test_every_entry_of_a_finding_is_marked(told: tuple[Story, tuple[Finding, ...]]) -> None:
    story, (finding,) = told
    page = page_of(story, (finding,))
    rows = groups(page)
    marked = {row for row, how in rows.items() if how == "bad"}
    assert marked == {f"s{number}" for number in finding.entries}
    assert [e.text for e in page.iter(f"{SVG}text") if e.get("class") == "mark"] == ["!1"] * len(
        marked
    )
    table = {row.get("id") for row in page.iter("tr") if row.get("class") == "bad"}
    assert table == {f"e{number}" for number in finding.entries}


def test_versions_and_views_have_arrows(told: tuple[Story, tuple[Finding, ...]]) -> None:
    page = page_of(*told)
    assert len([e for e in page.iter(f"{SVG}line") if e.get("class") == "arrow"]) == 4
    shown = [e.text for e in page.iter(f"{SVG}text")]
    assert [text for text in shown if text in ("v1", "v2", "v3")] == ["v1", "v2"]
    assert "starts, with shelf at v0" in shown
    assert {"shelf", "add#1", "add#2", "client"} <= set(shown)


def test_a_hover_tells_all_lines_of_user_code(told: tuple[Story, tuple[Finding, ...]]) -> None:
    story, findings = told
    commit = findings[0].entries[-1]
    entries = list(story.entries)
    entries[commit] = replace(entries[commit], where=("app.py:1 in main", "app.py:12 in add"))
    page = page_of(replace(story, entries=tuple(entries)), findings)
    (group,) = (g for g in page.iter(f"{SVG}g") if g.get("id") == f"s{commit}")
    title = group.find(f"{SVG}title")
    assert title is not None and title.text is not None
    assert title.text.splitlines()[1:] == ["   app.py:1 in main", "   app.py:12 in add"]


def test_of_many_steps_those_that_tell_little_stand_together() -> None:
    story = many(40).story()
    findings = search(story)
    rows = rows_of(story, findings)
    assert len(rows) < 25 < len(story.entries)
    assert {n for row in rows for n in row.marks} == {1}
    alone = {row.only.number for row in rows if row.only is not None}
    assert set(findings[0].entries) <= alone
    text = draw_text(story, findings)
    assert len(text.splitlines()) <= 40
    assert sum(line.startswith("!") for line in text.splitlines()) == len(findings[0].entries)
    rest = {row.get("id") for row in page_of(story, findings).iter("tr")}
    assert len(rest - {None}) == len(story.entries)


def test_a_long_run_without_findings_shows_its_end() -> None:
    tale = Tale()
    tale.start("writer")
    for number in range(60):
        tale.commit("writer", f"{number}.bin")
    lines = draw_text(tale.story()).splitlines()
    assert len(lines) <= 40
    assert "makes v60" in lines[-1]
    assert "steps:" in lines[1]


def test_of_many_findings_the_first_are_in_the_lines() -> None:
    tale = Tale()
    for number in range(12):
        lost_update(tale, f"a{number}#1", f"a{number}#2")
    story = tale.story()
    findings = search(story)
    assert len(findings) == 12
    lines = draw_text(story, findings).splitlines()
    marked = [line for line in lines if line.startswith("!")]
    assert marked and len(lines) - sum(" = " in line for line in lines) <= 40


@pytest.mark.parametrize("path", ["<script>alert(1)</script>", "a&b.json", '"> x', "a\x1b[2J\x00b"])
def test_no_name_escapes(path: str) -> None:
    tale = Tale()
    tale.start("add")
    tale.step("add", Kind.READ, path)
    story = tale.story()
    text = draw_html(story)
    page = ElementTree.fromstring(text.split("\n", 1)[1])
    assert not list(page.iter("script")) and "<script" not in text
    assert "\x1b" not in text + draw_text(story)
    assert any("reads" in (cell.text or "") for cell in page.iter("td"))


def test_what_says_nothing_new_is_in_the_table_alone() -> None:
    tale = Tale()
    tale.start("add")
    tale.commit("add", via="exit")
    tale.exit("add")
    story = tale.story()
    assert draw_text(story).splitlines()[1:] == [
        "  *  A starts, with shelf at v0",
        "  *  A ends (in order)",
    ]
    assert "exit commit" in draw_html(story)


def test_a_run_of_nothing_is_drawn() -> None:
    assert draw_text(Story()) == ""
    assert groups(page_of(Story(), ())) == {}


def test_the_drawing_alone_is_a_file(told: tuple[Story, tuple[Finding, ...]]) -> None:
    drawing = ElementTree.fromstring(draw_svg(*told))
    assert drawing.tag == f"{SVG}svg"
    style = drawing.find(f"{SVG}style")
    assert style is not None and "prefers-color-scheme: dark" in str(style.text)


def test_long_words_are_cut_in_the_middle() -> None:
    assert clipped("abcdefghijklmnop", 9) == "abc...nop"
    assert clipped("abc", 3) == "abc"
    assert listed(["a", "", "c", "d"]) == "a, . +2"
