"""
How soon the seeded bugs are found, and by what, as a page: `docs/reference/races.md`.

    python tests/race_table.py > docs/reference/races.md

It takes a while: `--seeds` and `--runs` say how much is tried, and names of bugs do only those.
"""

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from modal_emulator.emulator import Running
from modal_emulator.pytest_plugin.session import Session, open_session
from races.case import Bug
from races.catalogue import BUGS
from races.growth import growth
from races.plain import runs_until_found
from races.search import Search, search

__all__ = ["Row", "main", "page"]

HEAD = """\
# Races that are found, and how soon

Small programs with one bug each, and the same programs without it: nine are [examples to
read](../examples/races/README.md), the others are in [the tests](../../tests/races/seeded). For
each bug, the table says how many schedules `explore` ran until one failed

- **all orders**: with `mode="exhaustive"`, which goes through the orders of steps one by one,
  without those that differ in independent steps only;
- **PCT**: with `mode="pct"`, random priorities with few changes, the median of {seeds} seeds;
- **random**: with `mode="random"`, where any step that can come next is as likely as any other,
  the median of the same seeds;
- **plain runs**: the peer. The same program in containers of threads with nothing held, again and
  again until it failed, at most {runs} times: the median of {seeds} such attempts. Here threads
  race for real, background commits come every five seconds, nothing is killed, and no schedule
  fires by itself.

Each search ended after {schedules} schedules; `-` means that none of them failed. **Story** is the
number of steps in the shortest failing schedule that the exhaustive search tells. **Fixed twin**
says how many schedules the right program passed: *all* where they stand for all there are.

Counts of schedules follow from the seed, so they are the same on each machine. Plain runs hang on
the machine and on what else it does. To measure again, in a checkout:

```console
$ python tests/race_table.py > docs/reference/races.md
```
"""


@dataclass(frozen=True)
class Row:
    """One bug."""

    name: str
    exhaustive: Search
    pct: list[Search]
    walks: list[Search]
    plain: list[int]
    fixed: Search


def measure(
    session: Session, running: Running, name: str, *, seeds: int, runs: int, schedules: int
) -> Row:
    """Look for one bug in all ways."""
    print(name, file=sys.stderr, flush=True)
    bug = BUGS[name]
    session.choose({"runtime": bug.runtime})
    most: dict[str, Any] = {"schedules": schedules, "seed": 1}
    exhaustive = search(running, bug, bug.broken, shorten=True, mode="exhaustive", **most)
    fixed = search(running, bug, bug.fixed, mode="auto", **most)
    pct, walks = (
        [
            search(running, bug, bug.broken, mode=mode, seed=seed, schedules=schedules)
            for seed in range(seeds)
        ]
        for mode in ("pct", "random")
    )
    session.choose({"runtime": "inline"})
    plain = list(_attempts(running, bug, seeds, runs))
    row = Row(name, exhaustive, pct, walks, plain, fixed)
    print(_line(row), file=sys.stderr, flush=True)
    return row


def _attempts(running: Running, bug: Bug, times: int, runs: int) -> Iterable[int]:
    for _ in range(times):
        found = runs_until_found(running, bug, runs)
        yield found
        if not found:  # as will be the others
            return


Grown = list[tuple[int, int, float]]


def page(rows: Iterable[Row], grown: Grown, settings: Mapping[str, int]) -> str:
    """Return the page."""
    head = HEAD.format(**settings)
    machine = (
        f"Measured on {platform.machine()} with {os.cpu_count()} processors, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"modal {version('modal')}, modal-emulator {version('modal-emulator')}."
    )
    table = [
        "| bug | all orders | PCT | random | plain runs | story | fixed twin |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    table += map(_line, rows)
    return "\n".join([head, machine, "", *table, "", *_speed(grown)])


def _line(row: Row) -> str:
    fixed = "fails" if row.fixed.found else str(row.fixed.schedules)
    cells = [
        f"`{row.name}`",
        _median([row.exhaustive]),
        _median(row.pct),
        _median(row.walks),
        _middle(row.plain),
        str(row.exhaustive.steps or "-"),
        f"{fixed}, all" if row.fixed.exhaustive else fixed,
    ]
    return f"| {' | '.join(cells)} |"


def _speed(grown: Grown) -> Iterable[str]:
    yield "## Schedules per second"
    yield ""
    yield "Two containers write files and commit each: more commits, more choices in a schedule."
    yield "Each schedule begins with a new World, a new app and cold containers."
    yield ""
    yield "| commits | choices, at most | schedules per second |"
    yield "| --: | --: | --: |"
    for commits, choices, rate in grown:
        yield f"| {commits} | {choices} | {rate:.1f} |"


def _median(searches: list[Search]) -> str:
    return _middle([each.schedules if each.found else 0 for each in searches])


def _middle(numbers: list[int]) -> str:
    """Return the median, where 0 stands for never."""
    middle = statistics.median_high([number or sys.maxsize for number in numbers])
    return "-" if middle == sys.maxsize else str(middle)


def main() -> None:
    """Measure all or some, and print the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="of bugs; all without any")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--schedules", type=int, default=100)
    chosen = vars(parser.parse_args())
    names = chosen.pop("names") or list(BUGS)
    with open_session({"runtime": "inline"}) as session, session.test("races") as running:
        rows = [measure(session, running, name, **chosen) for name in names]
        grown = growth(running, schedules=30)
    print(page(rows, grown, chosen))


if __name__ == "__main__":
    main()
