"""
What the tables say, as a page to read: `docs/reference/support.md`.

`python -m modal_emulator.rpc.support` writes the page, `--check` fails when it is stale. It reads
the tables and the RPCs of the installed SDK, and nothing else.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from modal_proto import api_pb2

from modal_emulator.ground.printed import keep_page
from modal_emulator.rpc.registry import FAMILIES
from modal_emulator.rpc.tables import Level, Rpc
from modal_emulator.rpc.versions import NEWEST_KNOWN

__all__ = ["NOT_BUILT", "PAGE", "Line", "lines", "main", "offered", "page"]

PAGE = Path("docs/reference/support.md")
NOT_BUILT = "not built"

MEANING = {
    Level.FULL.value: "everything of the call that the SDKs use",
    Level.PARTLY.value: "the call without what is noted",
    Level.ACCEPTED.value: "an empty yes; why that is right is noted",
    NOT_BUILT: "answers UNIMPLEMENTED, naming the call and this page",
}

HEAD = """\
# What is supported

<!-- Printed by `python -m modal_emulator.rpc.support` from the tables in
     `emulator/modal_emulator/rpc/handlers/`; do not edit. -->

Modal's clients and containers speak to Modal in gRPC calls. This page lists every call of `modal`
{version}, the newest version that this emulator knows, and how much of it is there. A call that
changes what a program means, such as one that asks for a blocked network, is refused when it is
not there, never ignored. In the terminal: `modal-emulator support [NAME]`.
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One RPC as a reader should know it."""

    family: str
    name: str
    level: str
    note: str = ""


def offered() -> frozenset[str]:
    """Return the names of all RPCs that the installed SDK could call."""
    service = api_pb2.DESCRIPTOR.services_by_name["ModalClient"]
    return frozenset(method.name for method in service.methods)


def lines(families: Mapping[str, Mapping[str, Rpc]], names: Iterable[str]) -> Iterator[Line]:
    """Yield what the tables answer, family by family, then what nobody answers."""
    built: set[str] = set()
    for family, table in families.items():
        for name, rpc in sorted(table.items()):
            built.add(name)
            yield Line(family, name, rpc.level.value, rpc.note)
    for name in sorted(set(names) - built):
        yield Line("", name, NOT_BUILT)


def page(families: Mapping[str, Mapping[str, Rpc]], names: Iterable[str]) -> str:
    """Return the whole page."""
    everything = list(lines(families, names))
    parts = [HEAD.format(version=NEWEST_KNOWN), *_counts(everything)]
    for family in families:
        parts += ["", f"## {family}", "", "| call | | note |", "| --- | --- | --- |"]
        parts += [
            f"| `{line.name}` | {line.level} | {_cell(line.note)} |".replace("|  |", "| |")
            for line in everything
            if line.family == family
        ]
    absent = [f"`{line.name}`" for line in everything if line.level == NOT_BUILT]
    parts += ["", "## Not built", "", *_wrapped(absent), ""]
    return "\n".join(parts)


def _counts(everything: list[Line]) -> Iterator[str]:
    counted = Counter(line.level for line in everything)
    yield "| | calls | meaning |"
    yield "| --- | --- | --- |"
    for level, meaning in MEANING.items():
        yield f"| {level} | {counted[level]} | {meaning} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _wrapped(words: list[str]) -> Iterator[str]:
    line = ""
    for word in words:
        joined = f"{line}, {word}" if line else word
        if len(joined) > 98:
            yield line + ","
            joined = word
        line = joined
    yield line or "Nothing."


def main(arguments: list[str]) -> int:
    """Write the page, or check that it stands as it would be written."""
    return keep_page(PAGE, page(FAMILIES, offered()), "modal_emulator.rpc.support", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
