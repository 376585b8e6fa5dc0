"""
Every sample in the tutorial and the guide is run, in the order in which a reader meets it.

A page is worked through in one empty directory. The words after a fence's language say what
happens to the block; they are not shown when the page is rendered:

    ```python file=app.py     becomes that file
    ```console run            each `$` line is run by bash; all must succeed, and the lines between
                              must turn up in what was printed, in that order (`...` in a line
                              stands for anything)
    ```console fails          the same, and the last command must fail
    ```console shown=reason   is not run, for the reason given (with _ for spaces)

A block of a program's language without such a word fails its page, so no sample escapes.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from warm import WITHOUT_OTHERS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*(ROOT / "docs" / "tutorial").glob("*.md"), *(ROOT / "docs" / "guide").glob("*.md")]
)
FENCE = re.compile(r"^```(?P<info>\S[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FREE = {"text"}  # pictures and output, not programs


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, what is to happen to it, its text and its line."""

    language: str
    action: str
    argument: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    for match in FENCE.finditer(page):
        language, _, rest = match["info"].partition(" ")
        action, _, argument = rest.strip().partition("=")
        yield Block(
            language, action, argument, match["text"], page.count("\n", 0, match.start()) + 1
        )


def environment(home: Path, warm: Path | None) -> dict[str, str]:
    """Return what a reader's shell has who installed the package; no Modal account is in it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MODAL_")}
    path = os.pathsep.join([*map(str, filter(None, [warm])), str(Path(sys.executable).parent)])
    return {
        **kept,
        "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "COLUMNS": "100",
        "PYTEST_ADDOPTS": WITHOUT_OTHERS,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def shell(
    commands: list[str], directory: Path, home: Path, warm: Path | None = None
) -> tuple[int, str]:
    """Run the commands in one bash; whatever they leave running is ended with it."""
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=directory,
        env=environment(home, warm),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=280)
        finally:
            with contextlib.suppress(ProcessLookupError):  # all ended by themselves
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, printed


def absent(expected: list[str], printed: str) -> str:
    """Return the first expected line that does not turn up after those before it, or nothing."""
    lines = iter([line.rstrip() for line in printed.splitlines()])
    for line in expected:
        pattern = ".*".join(re.escape(part) for part in line.rstrip().split("..."))
        if not any(re.fullmatch(pattern, candidate) for candidate in lines):
            return line
    return ""


def work_through(block: Block, directory: Path, home: Path, warm: Path | None = None) -> None:
    """Do with one block what its words say."""
    if block.action == "file":
        path = directory / block.argument
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    elif block.action in ("run", "fails"):
        lines = block.text.splitlines()
        commands = [line[2:] for line in lines if line.startswith("$ ")]
        assert commands, "no line starts with `$ `"
        code, printed = shell(commands, directory, home, warm)
        assert (code != 0) == (block.action == "fails"), f"exit code {code}\n{printed}"
        missing = absent([line for line in lines if line and not line.startswith("$ ")], printed)
        assert not missing, f"not printed: {missing!r}\n{printed}"
    elif block.action == "shown":
        assert block.argument, "a block that is only shown says why"
    else:
        assert block.language in FREE, f"nothing says how to run this {block.language} block"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT / "docs")) for p in PAGES])
def test_samples_run(page: Path, tmp_path: Path, warm: Path) -> None:
    directory, home = tmp_path / "project", tmp_path / "home"
    directory.mkdir()
    home.mkdir()
    for block in blocks(page.read_text()):
        failure = ""
        try:
            work_through(block, directory, home, warm)
        except AssertionError as error:
            failure = f"{page.relative_to(ROOT)}:{block.line}: {error}"
        if failure:
            pytest.fail(failure, pytrace=False)


def test_runner_tells_a_failing_sample(tmp_path: Path) -> None:
    """The runner itself can fail: a wrong output, a wrong exit code and an unmarked block."""
    for page in (
        "```console run\n$ echo one\ntwo\n```\n",
        "```console run\n$ false\n```\n",
        "```console fails\n$ true\n```\n",
        "```console run\n$ printf 'one\\ntwo\\n'\ntwo\none\n```\n",
        "```python\nprint(1)\n```\n",
    ):
        (block,) = blocks(page)
        with pytest.raises(AssertionError):
            work_through(block, tmp_path, tmp_path)


def test_runner_follows_a_page(tmp_path: Path) -> None:
    page = (
        "```python file=a.py\nprint('1 file in 0.03 s')\nprint('bye')\n```\n"
        "text\n```console run\n$ python a.py\n1 file in ... s\nbye\n```\n"
    )
    for block in blocks(page):
        work_through(block, tmp_path, tmp_path)
    assert (tmp_path / "a.py").read_text().startswith("print('1 file")


LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")


def test_links_lead_somewhere() -> None:
    """A relative link in the documentation names a file that is there."""
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken
