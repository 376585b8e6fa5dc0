"""
What the server asks of a warden, in values that JSON can carry.

A `Job` is a plan made concrete for one container of processes: real directories, no callbacks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from modal_emulator.runtime.backend import Bound, Mount, View

__all__ = ["Isolation", "Job", "view_from_values", "view_to_values"]


class Isolation(str, Enum):
    """How far the machine lets a container be apart from the rest."""

    ROOT = "root"
    """Own mounts and processes, made by the superuser."""
    USER = "userns"
    """The same inside a user namespace, made by anybody."""
    PLAIN = "plain"
    """An ordinary process with copied volumes and redirected file functions."""


@dataclass(frozen=True, slots=True)
class Job:
    """One container to make."""

    container_id: str
    isolation: Isolation
    directory: Path
    """The container's own directory on the host; everything it writes lands here."""
    environment: Mapping[str, str] = field(repr=False)
    mounts: tuple[Mount, ...]
    files: tuple[Path, ...]
    working_directory: str
    socket: Path | None
    """Where the server answers the container; None when it has nothing to ask."""
    hide: tuple[Path, ...]
    """Directories of the host that user code must not see: the emulator's own."""
    entrypoint: str
    """The module to run as `__main__`."""
    clock_page: Path | None = None
    """Where the instant is found that user code sees; None leaves it the machine's."""
    seen: bool = False
    """Its main process tells what it does with files, by open files that come with the job."""
    bare: bool = False
    """There is no main process."""
    keeps: bool = False
    """Its files are kept: what it was only shown is taken out of them at its end."""
    address: str = ""
    """The container's own, on loopback; empty shares the machine's."""
    source_address: str = ""
    """Where its connections come from, its proxy's address."""

    @property
    def naps(self) -> Path:
        """Where its main thread notes until when it sleeps, if it sees another instant."""
        return self.directory / "naps"

    @property
    def volumes(self) -> Path:
        """Where volumes are kept that are shown as copies."""
        return self.shadow / "__modal" / "volumes"

    @property
    def shadow(self) -> Path:
        """The directory that stands for parts of `/` where nothing can be mounted."""
        return self.directory / "shadow"

    def to_values(self) -> dict[str, Any]:
        """Return the job as JSON values."""
        return {
            "container_id": self.container_id,
            "isolation": self.isolation.value,
            "directory": str(self.directory),
            "environment": dict(self.environment),
            "mounts": [(m.volume_id, m.path, view_to_values(m.view)) for m in self.mounts],
            "files": list(map(str, self.files)),
            "working_directory": self.working_directory,
            "socket": str(self.socket or ""),
            "hide": list(map(str, self.hide)),
            "entrypoint": self.entrypoint,
            "clock_page": str(self.clock_page or ""),
            "seen": self.seen,
            "bare": self.bare,
            "keeps": self.keeps,
            "address": self.address,
            "source_address": self.source_address,
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Job":
        """Read what `to_values` gave."""
        return cls(
            container_id=values["container_id"],
            isolation=Isolation(values["isolation"]),
            directory=Path(values["directory"]),
            environment=values["environment"],
            mounts=tuple(
                Mount(volume_id, path, view_from_values(view))
                for volume_id, path, view in values["mounts"]
            ),
            files=tuple(map(Path, values["files"])),
            working_directory=values["working_directory"],
            socket=Path(values["socket"]) if values["socket"] else None,
            hide=tuple(map(Path, values["hide"])),
            entrypoint=values["entrypoint"],
            clock_page=Path(values["clock_page"]) if values["clock_page"] else None,
            seen=values["seen"],
            bare=values["bare"],
            keeps=values["keeps"],
            address=values["address"],
            source_address=values["source_address"],
        )


def view_to_values(view: View) -> dict[str, Any]:
    """Return a view as JSON values."""
    bound = view.bound
    return {
        "layers": [str(layer) for layer in view.layers],
        "changes": str(view.changes),
        "scratch": str(view.scratch),
        "read_only": view.read_only,
        "sub_path": view.sub_path,
        "version": view.version,
        "bound": bound and (bound.most, bound.left, bound.per_directory),
    }


def view_from_values(values: Mapping[str, Any]) -> View:
    """Read what `view_to_values` gave."""
    bound = values["bound"]
    return View(
        layers=tuple(map(Path, values["layers"])),
        changes=Path(values["changes"]),
        scratch=Path(values["scratch"]),
        read_only=values["read_only"],
        sub_path=values["sub_path"],
        version=values["version"],
        bound=bound and Bound(*bound),
    )
