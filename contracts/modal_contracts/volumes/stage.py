"""
One volume and the containers that mount it, for the length of one example of the machine.

It turns steps of the model into calls of the public SDK, and what comes back into values to
compare. A killed container is followed by another one in its place.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import modal

from modal_contracts import bodies
from modal_contracts.scene import DATA, Container, Scene, content, upload
from modal_contracts.volumes import box
from modal_contracts.volumes.model import Rules

__all__ = ["OpenScene", "Play", "Stage"]

OpenScene = Callable[[], AbstractContextManager[Scene]]

KINDS = {"FILE": "file", "DIRECTORY": "dir", "SYMLINK": "link"}


@dataclass(frozen=True, slots=True)
class Play:
    """What is played: on how many containers, on which kind of mount, by which rules."""

    version: int
    sub_path: str = ""
    containers: int = 2
    rules: Rules = Rules()  # noqa: RUF009 - a frozen value
    kills: bool = True


class Stage:
    """The real thing that the model is compared with."""

    def __init__(self, open_scene: OpenScene, play: Play) -> None:
        self._stack = ExitStack()
        scene = self._stack.enter_context(open_scene())
        self._version = play.version
        self._volume = scene.volume(play.version)
        self._prefix = f"{play.sub_path}/" if play.sub_path else ""
        mounted = self._volume
        if play.sub_path:
            upload(self._volume, {f"{self._prefix}first": b""})
            self._volume.remove_file(f"{self._prefix}first")
            mounted = self._volume.with_mount_options(sub_path=play.sub_path)
        self._containers: list[Container] = scene.containers(play.containers, mounted)

    def close(self) -> None:
        """End the containers."""
        self._stack.close()

    def take(self, who: int, name: str, *arguments: Any) -> tuple[str, box.Seen]:
        """Take a step in a container; return the refusal, if any, and what the container sees."""
        return self._containers[who].run(box.take, DATA, name, arguments, self._volume)

    def kill(self, who: int) -> None:
        """End a container without a word; the next step in its place begins in a new one."""
        try:
            self._containers[who].run(bodies.die)
        except Exception:  # in what words it is reported is not the claim
            self._containers[who].forget()
        else:
            raise AssertionError("a killed container has answered")

    def edit(self, name: str, *arguments: Any) -> str:
        """Take a step by the API; return the refusal, if any."""
        try:
            getattr(self, f"_{name}")(*arguments)
        except (modal.exception.Error, OSError, ValueError) as error:
            return repr(error)
        return ""

    def listed(self) -> dict[str, list[object]]:
        """List all by the API: kind of each path, and the size of files."""
        found: dict[str, list[object]] = {}
        for entry in self._volume.listdir(self._prefix or "/", recursive=True):
            kind = KINDS.get(entry.type.name, entry.type.name)
            shown: list[object] = [kind, entry.size] if kind == "file" else [kind]
            found[entry.path.removeprefix(self._prefix)] = shown
        return found

    def text(self, path: str) -> str | None:
        """Read a file by the API, if there is one."""
        try:
            return content(self._volume, self._prefix + path).decode()
        except (modal.exception.Error, OSError):
            return None

    def _upload(self, path: str, text: str, force: bool) -> None:
        with self._volume.batch_upload(force=force) as batch:
            batch.put_file(io.BytesIO(text.encode()), self._prefix + path)

    def _remove_file(self, path: str, recursive: bool) -> None:
        self._volume.remove_file(self._prefix + path, recursive=recursive)

    def _copy_files(self, source: str, into: str, recursive: bool) -> None:
        paths = [self._prefix + source], self._prefix + into
        if recursive and self._version == 2:  # version 1 knows no other way (sdk: volume.py)
            self._volume.copy_files(*paths, recursive=True)
        else:
            self._volume.copy_files(*paths)
