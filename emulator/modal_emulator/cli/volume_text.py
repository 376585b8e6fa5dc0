"""
Versions of volumes as text for people: tables and lists, with colours on a terminal.

Names come from users' programs; what a terminal would obey in them is shown as escapes.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["diff", "log", "show"]

Row = Mapping[str, Any]
SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
COLUMNS = "Version When Base Paths Via Function Call Container Kept".split()
NUMBERS = {"Version", "Base", "Paths"}
ENDINGS = {"d": "/", "l": "@", "p": "|", "s": "="}  # as `ls -F` has them


def log(versions: Sequence[Row]) -> None:
    """Print one line for each version."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in NUMBERS else "left", no_wrap=True)
    for row in versions:
        cells = (
            str(row["version"]),
            _when(row["at"]),
            str(row["base"]),
            str(row["paths"]),
            row["via"],
            _plain(row["function"]) or "-",
            row["call"] or "-",
            row["container"] or "-",
            "yes" if row["kept"] else "no",
        )
        table.add_row(*map(Text, cells), style="" if row["kept"] else "dim")
    # A pipe takes whole lines; only a terminal has a width to keep to.
    width = None if sys.stdout.isatty() else 1000
    Console(width=width, highlight=False).print(table)


def show(version: Row) -> None:
    """Print what is known of a version, and what it changed."""
    facts = {
        "version": version["version"],
        "when": _when(version["at"]),
        "base": version["base"],
        "via": version["via"],
        "function": _plain(version["function"]) or "-",
        "call": version["call"] or "-",
        "container": version["container"] or "-",
        "kept": "yes" if version["kept"] else "no",
    }
    for name, value in facts.items():
        click.echo(f"{click.style(name, bold=True)}{' ' * (10 - len(name))}{value}")
    click.echo()
    for change in version["changes"]:
        if change["type"] is None:
            click.secho(f"- {_plain(change['path'])}", fg="red")
        else:
            size = f"  {change['size']} bytes" if change["type"] == "f" else ""
            click.echo(f"* {_name(change['path'], change['type'])}{size}")


def diff(found: Row) -> None:
    """Print one line for each difference."""
    for row in found["differences"]:
        sign, colour = SIGNS[row["kind"]]
        before, after = row["before"], row["after"]
        line = f"{sign} {_name(row['path'], (after or before)['type'])}"
        click.secho(line, fg=colour, nl=False)
        click.echo(f"  {_what(before, after)}" if before and after else "")


def _what(before: Row, after: Row) -> str:
    """Say in what two entries differ."""
    if before["type"] != after["type"]:
        return "another kind of file"
    if before["target"] != after["target"]:
        return f"{_plain(before['target'])} -> {_plain(after['target'])}"
    words = []
    if before["size"] != after["size"]:
        words.append(f"{before['size']} -> {after['size']} bytes")
    if before["mode"] != after["mode"]:
        words.append(f"mode {before['mode']:o} -> {after['mode']:o}")
    return ", ".join(words) or "written again"


def _name(path: str, kind: str) -> str:
    return _plain(path) + ("" if path == "." else ENDINGS.get(kind, ""))


def _when(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def _plain(text: str) -> str:
    """Return text that no terminal takes for a command."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
