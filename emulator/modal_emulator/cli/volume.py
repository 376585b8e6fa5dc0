"""
The commands `volume …`: looking into old versions, and whole versions in and out.

They reach a running server by the variables that lead `modal` there, or open a state directory for
their own length. What they print for people is made in `volume_text`.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from modal_emulator.cli import volume_text
from modal_emulator.cli.reaching import telling
from modal_emulator.cli.start import tell

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["volume"]

BATCH = 1 << 19
PIPE = "-"
VERSION = click.IntRange(min=0)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


@click.group()
def volume() -> None:
    """Look into the versions of Volumes, and bring whole ones in and out."""


def _on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the server that it asks, and the options that choose it."""

    @click.argument("name")
    @click.option("-e", "--env", "environment", default="", envvar="MODAL_ENVIRONMENT")
    @click.option(
        "--state-dir",
        "--state",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Open this state directory, which no server may be using.",
    )
    @wraps(command)
    def run(state_dir: Path | None, name: str, environment: str, **options: Any) -> None:
        with telling(), _remote(state_dir) as remote:
            command(_Asking(remote, name, environment), **options)

    return run


class _Asking:
    """Questions to a server about one volume."""

    def __init__(self, remote: "Remote", name: str, environment: str) -> None:
        self.remote = remote
        self.name = name
        self._environment = environment

    def __call__(self, method: str, **asked: object) -> Any:
        """Return what the server answers."""
        return self.remote.ask(method, name=self.name, environment=self._environment, **asked)


@contextmanager
def _remote(state_dir: Path | None) -> "Iterator[Remote]":
    from modal_emulator.rpc.remote import Remote

    if state_dir is None:
        yield Remote(os.environ)
        return
    from modal_emulator.emulator import running

    if not (state_dir / "ledger.db").exists():
        raise click.ClickException(f"{state_dir} holds no state of modal-emulator.")
    with running(state_dir) as emulator:
        yield Remote(emulator.environment)


@volume.command()
@_on_server
@json_option
@click.option("-n", "limit", type=click.IntRange(min=1), help="The newest so many only.")
def log(ask: _Asking, as_json: bool, limit: int | None) -> None:
    """List the versions of Volume NAME, the newest first: who made them, when and on what."""
    found = ask("VolumeLog", limit=limit)["versions"]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        volume_text.log(found)


@volume.command()
@_on_server
@click.argument("version", type=VERSION, required=False)
@json_option
def show(ask: _Asking, version: int | None, as_json: bool) -> None:
    """Tell who made VERSION of Volume NAME, by default the newest, and which paths it changed."""
    found = ask("VolumeShow", version=version)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        volume_text.show(found)


@volume.command()
@_on_server
@click.argument("a", type=VERSION)
@click.argument("b", type=VERSION, required=False)
@json_option
def diff(ask: _Asking, a: int, b: int | None, as_json: bool) -> None:
    """List what is different in version B of Volume NAME, by default the newest, against A."""
    found = ask("VolumeDiff", a=a, b=b)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        volume_text.diff(found)


@volume.command()
@_on_server
@click.argument("version", type=VERSION)
@click.argument("directory", type=click.Path(path_type=Path))
def checkout(ask: _Asking, version: int, directory: Path) -> None:
    """Write all files of VERSION of Volume NAME into DIRECTORY, which is new or empty."""
    from modal_emulator.store.tars import lay_out, read

    found = ask("VolumeExport", version=version)
    try:
        with ask.remote.fetch(found["url"]) as body:
            lay_out(read(body), directory)
    except OSError as error:
        raise click.ClickException(f"{directory} cannot be written: {error}") from error
    tell(f"version {version} of Volume '{ask.name}' is in {directory}")


@volume.command()
@_on_server
@click.argument("file", default=PIPE)
@click.option("--version", type=VERSION, help="By default the newest.")
def export(ask: _Asking, file: str, version: int | None) -> None:
    """Write a version of Volume NAME as a tar archive to FILE, or to stdout."""
    if file == PIPE and sys.stdout.isatty():
        raise click.UsageError("Name a FILE, or send stdout elsewhere: it is a terminal.")
    found = ask("VolumeExport", version=version)
    with ask.remote.fetch(found["url"]) as body, _target(file) as target:
        while data := body.read(BATCH):
            target.write(data)
    tell(f"version {found['version']} of Volume '{ask.name}' is written")


@volume.command("import")
@_on_server
@click.argument("file", default=PIPE, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--create", is_flag=True, help="Make the Volume when it is missing.")
def import_(ask: _Asking, file: str, create: bool) -> None:
    """
    Add what is in a tar archive, FILE or stdin, to Volume NAME, as one version.

    All of it arrives or nothing; files take the place of files. The archive may be compressed.
    """
    if file == PIPE and sys.stdin.isatty():
        raise click.UsageError("Name a FILE, or send an archive to stdin: it is a terminal.")
    with click.open_file(file, "rb") as source:
        found = ask("VolumeImport", create=create)
        version = ask.remote.bring(found["url"], source)["version"]
    click.echo(f"version {version} of Volume '{ask.name}'")


@contextmanager
def _target(file: str) -> Iterator[IO[bytes]]:
    """Open what an archive is written to; a file is there whole or not at all."""
    if file == PIPE:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    special = path.exists() and not path.is_file()
    part = path if special else path.with_name(path.name + ".part")
    try:
        with part.open("wb") as target:
            yield target
        if not special:
            part.replace(path)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error
    finally:
        if not special:
            part.unlink(missing_ok=True)
