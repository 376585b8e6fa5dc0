"""Scripted containers that Docker makes."""

import subprocess
from dataclasses import replace
from pathlib import Path

from modal_emulator.runtime.backend import Container, Plan
from modal_emulator.runtime.docker.backend import DockerBackend
from modal_emulator.runtime.docker.daemon import connect
from modal_emulator.runtime.docker.facts import Facts
from yard import SCRIPTED, Yard

IMAGE = "im-yard"
FACTS: dict[str, Facts] = {}
"""What is known of images, for all yards."""


def docker(*words: str) -> str:
    """Ask Docker's own command."""
    return subprocess.run(["docker", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


class _Scripted(DockerBackend):
    """Runs scripts in one image."""

    async def start(self, plan: Plan) -> Container:
        tree = self._directory.parent / "scripted"
        if not tree.exists():
            (tree / "pkg").mkdir(parents=True)
            (tree / "pkg" / "scripted.py").write_bytes((SCRIPTED / "scripted.py").read_bytes())
        return await super().start(replace(plan, image=IMAGE, files=(*plan.files, tree)))


class DockerYard(Yard):
    """A yard of Docker's containers, which have no network."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, None)
        self.backend: DockerBackend = _Scripted(  # type: ignore[assignment]
            directory / "backend", connect(), "none", entrypoint="scripted"
        )
        self.backend.images._facts = FACTS
