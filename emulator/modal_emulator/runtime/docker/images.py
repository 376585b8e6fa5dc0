"""
Images as Docker builds them, one for each that Modal's SDK describes.

Docker keeps them under the SDK's id for them, so that the next test or server finds them built; the
id follows from all that the SDK says of an image.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from threading import Event
from typing import Any

from modal_emulator.ground.errors import EmulatorError, NotBuilt, NotFound
from modal_emulator.runtime.docker.confiding import confide, unsaid
from modal_emulator.runtime.docker.context import DOCKERFILE, pack
from modal_emulator.runtime.docker.daemon import LABEL, Daemon
from modal_emulator.runtime.docker.facts import QUESTION, Facts, facts_from
from modal_emulator.runtime.images import BuildFailed, Built, Recipe

__all__ = ["DockerImages"]

_FROM = re.compile(r"^(\s*FROM\s+(?:--\S+\s+)*)(\S+)(.*)$", re.IGNORECASE | re.DOTALL)
_COPY_FROM = re.compile(r"^(\s*(?:COPY|ADD)\s.*?--from=)(\S+)(.*)$", re.IGNORECASE | re.DOTALL)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OF_THE_IMAGE = ("Cmd", "Entrypoint", "User", "WorkingDir")
"""What a container of ours has otherwise than its image."""
_PYTHON = ("python", "-c", QUESTION)


class DockerImages:
    """Builds images and knows what is in them."""

    def __init__(self, daemon: Daemon, network: str) -> None:
        """Let builds use this network."""
        self._daemon = daemon
        self._network = network
        self._facts: dict[str, Facts] = {}
        """By Docker's own id of an image: what is in it never changes."""
        self._building: dict[str, asyncio.Lock] = {}

    def reference(self, image_id: str) -> str:
        """Return what Docker calls the image."""
        return f"{LABEL}:{image_id}"

    async def find(self, image_id: str) -> Built | None:
        """Return the image if it was built before."""
        try:
            return _built(await self.facts(image_id))
        except NotFound:
            return None

    async def facts(self, image_id: str) -> Facts:
        """
        Return what is in an image.

        Raises:
            NotFound: it was not built, or somebody removed it from Docker.
        """
        return await asyncio.to_thread(self._look, self.reference(image_id))

    async def build(self, recipe: Recipe, on_log: Callable[[str], None], *, anew: bool) -> Built:
        """
        Build an image; `anew` though all its steps may be known.

        Raises:
            NotBuilt: it asks for something that is not done here.
            BuildFailed: a step failed.
        """
        if recipe.refusals:
            raise NotBuilt(
                f"modal-emulator does not build this image: {'; '.join(recipe.refusals)}"
            )
        loop, given_up = asyncio.get_running_loop(), Event()

        def heard(text: str) -> None:
            if given_up.is_set():
                raise BuildFailed("the build was broken off")
            loop.call_soon_threadsafe(on_log, text)

        try:
            async with self._building.setdefault(recipe.image_id, asyncio.Lock()):
                await asyncio.to_thread(self._build, recipe, heard, anew)
                return _built(await self.facts(recipe.image_id))
        finally:
            given_up.set()

    def keep(self, container: Any, base_id: str, image_id: str, labels: Iterable[str]) -> None:
        """
        On a thread: make an image of what a container added to its own, which it leaves otherwise.

        None of these labels of the container's is of the image's.
        """
        base = self._daemon.inspect_image(self.reference(base_id))["Config"] or {}
        told = {name: base.get(name) for name in _OF_THE_IMAGE}
        owned = {**(base.get("Labels") or {}), **dict.fromkeys(labels, ""), LABEL: image_id}
        self._daemon.commit(container, self.reference(image_id), {**told, "Labels": owned})

    def _look(self, reference: str) -> Facts:
        found = self._daemon.inspect_image(reference)
        facts = self._facts.get(found["Id"])
        if facts is None:
            settings = found["Config"] or {}
            environment = dict(each.split("=", 1) for each in settings.get("Env") or ())
            directory = settings.get("WorkingDir") or ""
            # Newer builders write "/" into every image, also where nobody asked for it.
            directory = "" if directory == "/" else directory
            facts = facts_from(self._ask_python(found["Id"]), environment, directory)
            self._facts[found["Id"]] = facts
        return facts

    def _ask_python(self, image: str) -> str:
        try:
            return self._daemon.run(image, _PYTHON)
        except EmulatorError as error:  # there is no such program
            return str(error)

    def _build(self, recipe: Recipe, heard: Callable[[str], None], anew: bool) -> None:
        commands, arguments = confide(
            [self._resolve(line, recipe.bases) for line in recipe.commands],
            recipe.arguments,
            recipe.secrets,
        )
        with pack("\n".join(commands), recipe.context, recipe.files) as archive:
            said = self._daemon.build(
                fileobj=archive,
                custom_context=True,
                dockerfile=DOCKERFILE,
                tag=self.reference(recipe.image_id),
                buildargs=arguments,
                network_mode=self._network,
                labels={LABEL: recipe.image_id},
                nocache=anew,
                rm=True,
                forcerm=True,
            )
            for message in said:
                _pass_on(message, heard)

    def _resolve(self, line: str, bases: Mapping[str, str]) -> str:
        """Name other images as Docker does."""
        for pattern in (_FROM, _COPY_FROM):
            found = pattern.match(line)
            if found and found[2] in bases:
                return f"{found[1]}{self.reference(bases[found[2]])}{found[3]}"
        return line


def _pass_on(message: Mapping[str, Any], heard: Callable[[str], None]) -> None:
    if "error" in message:
        raise BuildFailed(unsaid(_COLOUR.sub("", str(message["error"]))).strip())
    if text := message.get("stream"):
        heard(unsaid(_COLOUR.sub("", text)))
    elif "status" in message and not message.get("progressDetail"):  # of a layer that is pulled
        heard(": ".join(filter(None, (message.get("id"), message["status"]))) + "\n")


def _built(facts: Facts) -> Built:
    return Built(
        python=f"Python {'.'.join(map(str, facts.python))}" if facts.python else "",
        libc=" ".join(filter(None, facts.libc)),
        working_directory=facts.working_directory,
    )
