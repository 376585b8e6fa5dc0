"""
The running server that a command asks: found by the variables that lead `modal` there, or by the
state directory that it uses.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modal_emulator.ground.errors import EmulatorError, Invalid
from modal_emulator.ground.instants import parse_instant, parse_span

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["instant", "json_option", "on_running", "span", "telling"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def instant(text: str) -> float:
    """Read an instant from the command line."""
    return _read(parse_instant, text)


def span(text: str) -> float:
    """Read a span from the command line."""
    return _read(parse_span, text)


def on_running(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the running server that it asks, and the option that chooses it."""

    @click.option(
        "--state-dir",
        "--state",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Ask the server that uses this state directory.",
    )
    @wraps(command)
    def run(state_dir: Path | None, **options: Any) -> None:
        with telling():
            command(_remote(state_dir), **options)

    return run


@contextmanager
def telling() -> Iterator[None]:
    """Turn a failure into a line for a person."""
    try:
        yield
    except EmulatorError as error:
        raise click.ClickException(error.message) from error


def _remote(state_dir: Path | None) -> "Remote":
    from modal_emulator.rpc.remote import Remote

    if state_dir is None:
        return Remote(os.environ)
    from modal_emulator.lodging import announced
    from modal_emulator.rpc.credentials import DEMO_TOKEN_ID

    url, secret = announced(state_dir)
    return Remote(
        {
            "MODAL_SERVER_URL": url,
            "MODAL_TOKEN_ID": DEMO_TOKEN_ID,
            "MODAL_TOKEN_SECRET": secret,
        }
    )


def _read(parse: Callable[[str], float], text: str) -> float:
    try:
        return parse(text)
    except Invalid as error:
        raise click.BadParameter(f"{error.message}.") from None
