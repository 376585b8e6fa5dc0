"""
The page docs/reference/faults.md, made of the tables of `words`.

`python -m modal_emulator.schedule.faults.page` writes the page, `--check` fails when it is stale.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from modal_emulator.ground.errors import Code
from modal_emulator.ground.printed import keep_page
from modal_emulator.ground.steps import Kind
from modal_emulator.schedule.faults.texts import RETRIED
from modal_emulator.schedule.faults.words import ANYWHERE, HOW_OFTEN, OPTIONS, WHATS

__all__ = ["PAGE", "main", "page"]

PAGE = Path("docs/reference/faults.md")
HEAD = """\
# Faults, word by word

This page is written by `python -m modal_emulator.schedule.faults.page`.
[The guide](../guide/faults.md) says how faults are used.

## Where they are written

A fault is the same words everywhere: what happens, and options that say where and how often.

| | |
| --- | --- |
| a test | `modal_faults.error("VolumeCommit", status="UNAVAILABLE", times=2)` |
| a mark | `@pytest.mark.modal(faults=["error VolumeCommit status=UNAVAILABLE"])` |
| pytest's configuration | `modal_faults =`, with a fault, or a file `*.toml`, in each line |
| a server's file | `modal-emulator serve --faults FILE`, read again on SIGHUP |
| a command | `modal-emulator faults add error VolumeCommit status=UNAVAILABLE times=2` |
| code | `Plan` in `modal_emulator.schedule.faults`, a value, for `world.faults.add` |

In a line an option is `NAME=VALUE`, with a shell's quotes where there are spaces; the first option
of each fault may go without its name. A file is in TOML, with a table for each fault:

```text
[[fault]]
what = "error"
rpc = "VolumeCommit"
status = "UNAVAILABLE"
volume = "data"
times = 2

[[fault]]
what = "kill"
at = "commit"
when = "after"
function = "publish"
```

A file that makes no sense is refused as a whole, with the nearest thing that would make sense. What
it plans takes the place of what is left of the file before. A fault of a test that is never met is
warned of; those of settings and files are not, because they stand for many tests.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_faults(), *_options(), *_steps(), *_statuses(), ""])


def _faults() -> Iterator[str]:
    yield "## What can happen\n"
    yield "| fault | what happens | options, besides those that say how often |"
    yield "| --- | --- | --- |"
    for name, what in WHATS.items():
        takes = [f"**{each}**" if each in what.needs else each for each in what.takes]
        if set(ANYWHERE) <= set(takes):
            own = [each for each in takes if each not in ANYWHERE]
            takes = [*own, "*where*"] if takes[0] in own else ["*where*", *own]
        yield f"| `{name}` | {what.about} | {', '.join(takes)} |"
    yield "\nThose in bold are needed. *where* is " + ", ".join(ANYWHERE) + ";"
    yield "one of `rpc` and `at` is needed. How often is said by " + ", ".join(HOW_OFTEN) + ".\n"


def _options() -> Iterator[str]:
    yield "## What can be said of it\n"
    yield "| option | meaning |"
    yield "| --- | --- |"
    for name, option in OPTIONS.items():
        yield f"| `{name}` | {option.about} |"
    yield "\nNames are patterns as a shell's: `Volume*`, `*.json`. RPCs are called as in [the list"
    yield "of all that are answered](support.md). A path is that in the Volume; of a Dict it is its"
    yield "key as it was sent, of a Queue its partition, both as Python writes bytes.\n"


def _steps() -> Iterator[str]:
    yield "## Steps\n"
    yield "`at` is one of: " + ", ".join(f"`{kind.value}`" for kind in Kind) + "."
    yield "A fault at a step of files is met by user code as an `OSError`.\n"


def _statuses() -> Iterator[str]:
    yield "## Statuses\n"
    yield "| the SDK tries again by itself | and does not |"
    yield "| --- | --- |"
    codes = [code for code in Code if code is not Code.TOO_LARGE]
    retried = ", ".join(f"`{code.name}`" for code in codes if code in RETRIED)
    others = ", ".join(f"`{code.name}`" for code in codes if code not in RETRIED)
    yield f"| {retried} | {others} |"
    yield "\nThree times for most RPCs, after 0.1, 0.2 and 0.4 seconds of the machine's;"
    yield "`VolumeCommit` 90 times, after at most a second each. With `retry_after` newer SDKs try"
    yield "any status again for as long as they are told to. A lost connection is as `UNAVAILABLE`."


def main(arguments: list[str]) -> int:
    """Write the page, or check that it stands as it would be written."""
    return keep_page(PAGE, page(), "modal_emulator.schedule.faults.page", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
