"""
The SDK and what it needs, as they are shown in containers.

On Modal an image does not bring the SDK: the service mounts it, before the packages of the image,
and what it needs after them. So it is here, from the packages of this Python. Parts of them are
compiled for one series of Python and one C library, so that an image with another one gets what pip
has for it, kept in the user's cache.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.docker.facts import Facts, facts_here
from modal_emulator.runtime.docker.inside import LIBRARIES, SDK

__all__ = ["Packages"]

_SDK = ("modal", "modal_proto", "modal_version", "synchronicity")
_OURS = "modal_emulator"
# Of our own: by which containers see the emulator's time, and what commands begin with.
_ALSO = ("time-machine", "immutables")
_OLDEST = (3, 10)
_SITE = f"import sys; sys.path.append({LIBRARIES!r})\n"  # [sdk] mount.py, SITECUSTOMIZE_CONTENT

Shown = tuple[str, str, bool]


class Packages:
    """Says what to mount in a container; every call may be slow."""

    def __init__(self, directory: Path, cache: Path | None = None) -> None:
        """Keep what is made for the moment in `directory`, what is fetched in the cache."""
        self._directory = directory
        self._cache = cache or _cache()
        self._here: tuple[Shown, ...] | None = None

    def shown(self, facts: Facts) -> tuple[Shown, ...]:
        """
        Return source, target and read-only of each mount for an image's Python.

        Raises:
            EmulatorError: the SDK cannot be had for it.
        """
        if facts.python is None:
            raise EmulatorError(f"the image has no Python that can be started: {facts.trouble}")
        if facts.python[:2] < _OLDEST:
            raise EmulatorError(
                f"the image has Python {_series(facts)}; modal-emulator needs 3.10 or newer"
            )
        here = facts_here()
        if facts.compiled_for == here.compiled_for:
            return (*self._pure(), *self._mine())
        return (*self._pure(), *self._fetched(facts, here))

    def _pure(self) -> Iterator[Shown]:
        """Yield what runs on every Python."""
        for name in _SDK:
            yield str(_place(name)), f"{SDK}/{name}", True
        site = self._directory / "sitecustomize.py"
        if not site.exists():
            site.write_text(_SITE)
        yield str(site), f"{SDK}/sitecustomize.py", True
        yield str(_place(_OURS)), f"{LIBRARIES}/{_OURS}", True

    def _mine(self) -> tuple[Shown, ...]:
        """Return what is installed here, one top after the other."""
        if self._here is None:
            tops = {top for name in _closure(_needed()) for top in _tops(name)}
            self._here = tuple((str(top), f"{LIBRARIES}/{top.name}", True) for top in sorted(tops))
        return self._here

    def _fetched(self, facts: Facts, here: Facts) -> Iterator[Shown]:
        version = metadata.version("modal")
        place = self._cache / f"modal-{version}-{facts.compiled_for}"
        if not place.is_dir():
            _fetch(place, facts, here)
        for top in sorted(place.iterdir()):
            yield str(top), f"{LIBRARIES}/{top.name}", True


def _fetch(place: Path, facts: Facts, here: Facts) -> None:
    """Have pip bring what Modal's own images have, for another Python than this."""
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    assert facts.python is not None
    command: list[str] = [
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--target",
            str(beside),
        ),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", _series(facts)),
        *(option for each in facts.platforms for option in ("--platform", each)),
        *(*_ALSO, *_needed()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmulatorError(
            f"the image has Python {_series(facts)} ({facts.compiled_for}) and the emulator runs "
            f"on {_series(here)} ({here.compiled_for}), so pip was asked for what the SDK needs "
            f"there, in vain: {done.stderr.strip().splitlines()[-1:]}"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        beside.rename(place)
    except OSError:  # another emulator was faster
        if not place.is_dir():
            raise


def _needed() -> list[str]:
    """Return the names of what Modal's own images have for the SDK; [sdk] builder/*.txt."""
    top = _place("modal")
    lists = [*top.glob("builder/20*.txt"), *top.glob("requirements/20*.txt")]
    newest = max(lists, key=lambda path: path.name)
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in newest.read_text().splitlines()]
    return [name for name in names if name]


def _closure(names: list[str]) -> set[str]:
    """Return these distributions and what they need, as far as it is installed."""
    found: set[str] = set()
    rest = [*_ALSO, *names]
    while rest:
        name = canonicalize_name(rest.pop())
        if name in found:
            continue
        try:
            requires = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue  # for another Python, or another machine
        found.add(name)
        for line in requires:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                rest.append(requirement.name)
    return found


def _tops(name: str) -> Iterator[Path]:
    """Yield the packages and modules of an installed distribution."""
    distribution = metadata.distribution(name)
    names = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "")}
    for top in sorted(names - {"__pycache__"}):
        place = Path(str(distribution.locate_file(top)))
        if place.exists() and place.suffix != ".pth":
            yield place


def _place(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return Path(str(import_module(package).__file__)).parent
    return Path(next(iter(spec.submodule_search_locations)))


def _series(facts: Facts) -> str:
    assert facts.python is not None
    return ".".join(map(str, facts.python[:2]))


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "modal-emulator")
