import ast
import textwrap
from pathlib import Path, PurePosixPath

import pytest

from modal_emulator.mutation.mutants import Change, mutants
from modal_emulator.mutation.sync_points import survey


def changes(tmp_path: Path, text: str, which: int = 0) -> dict[Change, str]:
    """Return the changed texts of one call; `v` and `w` are volumes."""
    text = textwrap.dedent(text)
    (tmp_path / "app.py").write_text(text)
    calls = survey(tmp_path, [PurePosixPath("app.py")], ("v", "w")).calls
    found = {mutant.change: mutant.text for mutant in mutants(text, calls[which])}
    for changed in found.values():
        ast.parse(changed)
    return found


def test_a_commit_between_writes(tmp_path: Path) -> None:
    text = """\
        def f():
            a.write("ä")
            b.write("ö")  # with a note
            v.commit()  # now
            c.send()
        """
    found = {change: body.splitlines() for change, body in changes(tmp_path, text).items()}
    a, b = '    a.write("ä")', '    b.write("ö")  # with a note'
    commit, c = "    v.commit()  # now", "    c.send()"
    assert found == {
        Change.REMOVED: ["def f():", a, b, "    pass  # now", c],
        Change.DOUBLED: ["def f():", a, commit, b, commit, c],
        Change.EARLIER: ["def f():", a, commit, b, c],
        Change.LATER: ["def f():", a, b, c, commit],
    }


def test_a_call_moves_past_whole_blocks_and_past_what_touches_nothing(tmp_path: Path) -> None:
    text = """\
        def f():
            '''Say what it does.'''
            print("begin")
            v.reload()
            log.info("reloaded %s", name)
            count = 0
            with open(p) as file:
                read(file)
        """
    found = changes(tmp_path, text)
    assert set(found) == {Change.REMOVED, Change.LATER}
    assert found[Change.LATER].splitlines()[-2:] == ["        read(file)", "    v.reload()"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("v.commit()\n", id="alone"),
        pytest.param("import x\nv.commit()\nreturn_()if 0 else 1\n", id="after an import"),
        pytest.param("v = make()\nv.commit()\n", id="after what binds it"),
        pytest.param("if x: v.commit()\n", id="on one line with others"),
    ],
)
def test_what_it_cannot_pass_it_does_not_pass(tmp_path: Path, text: str) -> None:
    assert Change.EARLIER not in changes(tmp_path, text)


def test_a_call_does_not_change_places_with_its_like(tmp_path: Path) -> None:
    assert set(changes(tmp_path, "v.reload()\nv.reload()\n")) == {Change.REMOVED}
    assert set(changes(tmp_path, "v.reload()\nw.reload()\n")) == {Change.REMOVED, Change.LATER}


def test_a_call_within_an_expression_gives_none_instead(tmp_path: Path) -> None:
    text = "x = y or v.commit()\n"
    assert changes(tmp_path, text) == {Change.REMOVED: "x = y or None\n"}
    text = "async def f():\n    return await v.commit.aio()\n"
    assert changes(tmp_path, text) == {Change.REMOVED: text.replace("await v.commit.aio()", "None")}
    text = "async def f():\n    await gather(v.commit.aio(), w.commit.aio())\n"
    assert changes(tmp_path, text) == {}


def test_calls_on_one_line_are_told_apart(tmp_path: Path) -> None:
    assert changes(tmp_path, "v.commit(); w.commit()\n", 1)[Change.REMOVED] == "v.commit(); pass\n"


def test_a_call_over_several_lines_moves_as_a_whole(tmp_path: Path) -> None:
    text = "f()\nv.commit(\n)\ng()"
    found = changes(tmp_path, text)
    assert found[Change.LATER] == "f()\ng()\nv.commit(\n)\n"
    assert found[Change.EARLIER] == "v.commit(\n)\nf()\ng()\n"
    assert found[Change.REMOVED] == "f()\npass\ng()"
