"""
Where a function wants its volumes, read and checked when the function is made.

The SDK checks most mount paths itself. What is refused here would otherwise fail, or silently show
no volume, in a container that starts much later.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath

from modal_proto import api_pb2

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.apps import VolumeUse
from modal_emulator.store.paths import parse

__all__ = ["volume_uses"]

SYSTEM = tuple(map(PurePosixPath, ("/proc", "/sys", "/dev", "/__modal")))
"""Made anew by each container's start, over all that lies there."""


def volume_uses(mounts: Iterable[api_pb2.VolumeMount]) -> tuple[VolumeUse, ...]:
    """
    Return what the emulator acts on.

    Raises:
        Invalid: the mounts cannot all be shown.
    """
    uses = tuple(
        VolumeUse(
            mount.volume_id,
            mount.mount_path,
            mount.read_only,
            # The SDK sends `/users/me` or `users/me`, as the user wrote it; what `..` would do
            # is not known (modal-semantics 10, point 8), so it is refused.
            "/".join(parse(getattr(mount, "sub_path", ""))),
        )
        for mount in mounts
    )
    _check_volumes(uses)
    _check_paths([PurePosixPath(use.path) for use in uses])
    return uses


def _check_volumes(uses: Iterable[VolumeUse]) -> None:
    seen: dict[str, str] = {}
    for use in uses:
        if use.volume_id in seen:
            first, second = sorted((seen[use.volume_id], use.path))
            # The words of newer SDKs, which check it themselves; older ones leave it to us.
            raise Invalid(
                "The same Volume cannot be mounted in multiple locations for the same function: "
                f"{first}, {second}"
            )
        seen[use.volume_id] = use.path


def _check_paths(paths: list[PurePosixPath]) -> None:
    for path in paths:
        # What Modal does with either is not known (modal-semantics 10, point 8) [guess].
        for other in paths:
            if other in path.parents:
                raise Invalid(
                    f"Volume {path} cannot be mounted inside {other}, where another Volume is "
                    "mounted."
                )
        for system in SYSTEM:
            if path == system or system in path.parents:
                raise Invalid(f"Volume {path} cannot be mounted inside {system}.")
