"""
Write the figures of a run into docs/reference/benchmarks.md.

    pytest tests/bench --benchmark-json=figures.json
    python tests/bench/table.py figures.json

All of them take a quarter of an hour; runs of a file each can be given together.

What is quoted is the fastest round and the median, and the ratio of the fastest round to that of
the peers in the same run: what else the machine does only adds to a round, and never takes away.
"""

import json
import platform
import re
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
PEER = "bench_peer_"


def readable(seconds: float) -> str:
    """Return the time with three figures and a fitting unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def ratio(number: float) -> str:
    """Return the ratio with two figures."""
    return f"{number:.2g}" if number < 10 else f"{number:.0f}"


def title(name: str) -> str:
    """Return what a benchmark's function name says."""
    words = name.removeprefix(PEER).removeprefix("bench_").replace("_", " ")
    words = re.sub(r" (large|small)( up| down)?", "", words)  # the group says that already
    words = re.sub(r"\s*\[(v\d)?\d*\]$", "", words)  # and of these, that
    return re.sub(r"\s*\[(.*)\]$", r", \1", words)


def group_table(name: str, benchmarks: list[dict[str, Any]]) -> list[str]:
    """Return the lines for one group, peers first."""
    fastest = {b["name"]: b["stats"]["min"] for b in benchmarks}
    median = {b["name"]: b["stats"]["median"] for b in benchmarks}
    peers = [each for each in fastest if each.startswith(PEER)]
    # What a benchmark noted in seconds itself, of its last round.
    noted = {b["name"]: b["extra_info"] for b in benchmarks}
    more = list(next(iter(noted.values())))
    columns = ["fastest", "median", *(f"ratio to {title(p)}" for p in peers), *more]
    lines = [
        f"### {name[0].upper()}{name[1:]}",
        "",
        "| | " + " | ".join(columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for each in sorted(fastest, key=lambda n: (n not in peers, fastest[n])):
        label = f"peer: {title(each)}" if each in peers else title(each)
        ratios = "".join(f" {ratio(fastest[each] / fastest[peer])} |" for peer in peers)
        times = f"{readable(fastest[each])} | {readable(median[each])}"
        notes = "".join(f" {readable(noted[each][column])} |" for column in more)
        lines.append(f"| {label} | {times} |{ratios}{notes}")
    return [*lines, ""]


def main(*paths: str) -> None:
    """Replace what stands between the marks by the figures in the files."""
    runs = [json.loads(Path(path).read_text()) for path in paths]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for benchmark in run["benchmarks"]:
            groups[benchmark["group"]].append(benchmark)
    figures = runs[0]
    machine = figures["machine_info"]
    lines = [
        f"Measured on {figures['datetime'][:10]}: {machine['cpu'].get('brand_raw', 'a CPU')}, "
        f"{machine['cpu'].get('count', '?')} CPUs, {platform.system()} {machine['release']}, "
        f"Python {machine['python_version']}, modal {version('modal')}; load average at the start "
        f"{machine['load']:.1f}.",
        "",
    ]
    for name, benchmarks in sorted(groups.items()):
        lines += group_table(name, benchmarks)
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, "", *lines]) + END + after)


if __name__ == "__main__":
    main(*sys.argv[1:])
