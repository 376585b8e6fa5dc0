"""
What each test's World begins with, as a project's configuration says it.

A line of the configuration names a volume and a directory, or a secret and a dotenv file. Every
test run loads this room, so the emulator is imported only where there are such lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from modal_emulator.store.seeds import SecretSeed, VolumeSeed

__all__ = ["add_seeds", "secret_seeds", "seeds_of_session", "volume_seeds"]

VOLUMES = "modal_seed_volumes"
SECRETS = "modal_seed_secrets"
_LINE = re.compile(r"(?P<name>[^\s:]+)(?:\s+version=(?P<version>\S+))?\s*:\s*(?P<path>.+)")


def add_seeds(parser: pytest.Parser) -> None:
    """Declare what can be set in pytest's configuration file."""
    parser.addini(
        VOLUMES,
        "volumes that each test begins with, a line each: `name: directory`, or "
        "`name version=2: directory`",
        type="linelist",
    )
    parser.addini(
        SECRETS,
        "secrets that each test begins with, a line each: `name: file.env`",
        type="linelist",
    )


def seeds_of_session(config: pytest.Config) -> dict[str, Any]:
    """Return the options that the configuration asks for, saying which line makes no sense."""
    options: dict[str, Any] = {}
    for ini, option, read in (
        (VOLUMES, "seed_volumes", volume_seeds),
        (SECRETS, "seed_secrets", secret_seeds),
    ):
        if lines := config.getini(ini):
            options[option] = _mapping(config, ini, lines, read)
    return options


def _mapping(
    config: pytest.Config, ini: str, lines: list[str], read: Callable[[Mapping[str, Any]], object]
) -> dict[str, Any]:
    from modal_emulator.ground.errors import EmulatorError

    base = config.inipath.parent if config.inipath else config.rootpath
    found: dict[str, Any] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or (ini == SECRETS and match["version"]):
            raise pytest.UsageError(f"{ini}: a line is `name: path`, not {line!r}")
        name, path = match["name"], base / match["path"]
        if name in found:
            raise pytest.UsageError(f"{ini}: there are two lines for {name!r}")
        found[name] = (path, match["version"]) if match["version"] else path
        try:
            read({name: found[name]})
        except (EmulatorError, ImportError) as error:
            raise pytest.UsageError(f"{ini}: {line!r}: {error}") from None
    return found


def _pairs(given: object) -> Iterable[tuple[str, Any]]:
    if not isinstance(given, Mapping):
        raise TypeError
    return given.items()


def volume_seeds(volumes: Mapping[str, Any]) -> tuple[VolumeSeed, ...]:
    """
    Return what is asked for by name: a directory, or one with the file system's version.

    Raises:
        Invalid: there is no such directory, or a volume cannot have this name or version.
    """
    from modal_emulator.ground.errors import Invalid
    from modal_emulator.store.naming import check_name
    from modal_emulator.store.seeds import VolumeSeed
    from modal_emulator.store.volumes import VOLUME

    seeds = []
    for name, given in _pairs(volumes):
        directory, version = given if isinstance(given, tuple) else (given, None)
        check_name(VOLUME, name)
        if version not in (None, 1, 2, "1", "2"):
            raise Invalid(f"the version of a Volume is 1 or 2, not {version}")
        if not Path(directory).is_dir():
            raise Invalid(f"{directory} is not a directory")
        version = None if version is None else int(version)
        seeds.append(VolumeSeed(name, Path(directory).absolute(), version))
    return tuple(seeds)


def secret_seeds(secrets: Mapping[str, Any]) -> tuple[SecretSeed, ...]:
    """
    Return what is asked for by name: the path of a dotenv file.

    Raises:
        Invalid: the file cannot be read, or a secret cannot have this name or hold this.
    """
    from modal_emulator.ground.errors import Invalid
    from modal_emulator.secret import read_dotenv
    from modal_emulator.store.naming import check_name
    from modal_emulator.store.secrets import SECRET, check_values
    from modal_emulator.store.seeds import SecretSeed

    seeds = []
    for name, file in _pairs(secrets):
        check_name(SECRET, name)
        try:
            values = read_dotenv(Path(file))
        except OSError as error:
            raise Invalid(f"{file}: {error.strerror}") from None
        check_values(values)
        seeds.append(SecretSeed(name, values))
    return tuple(seeds)
