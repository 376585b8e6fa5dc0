"""
Images: accepted, not built.

A container runs in the local Python environment. What of an image still counts is read from its
Dockerfile commands: `ENV`, `WORKDIR`, files copied in from a context, and the packages it asks
pip for, so that one warning can name those that the local environment lacks.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.ledger import Ledger

__all__ = ["Image", "Images", "installed"]

PIP = re.compile(r"\b(?:uv\s+)?pip3?\s+install\b")
OPTIONS_WITH_VALUE = frozenset(
    "-i --index-url --extra-index-url -f --find-links --python --target -t --prefix --root -r"
    " --requirement -c --constraint".split()
)
BUILDERS = frozenset(("pip", "wheel", "uv", "setuptools"))  # what Modal's own base layers install


@dataclass(frozen=True, slots=True)
class Image:
    """What counts of an image and of those below it."""

    image_id: str
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = ""
    requirements: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    """Ids of the mounts whose files were copied in, the newest first."""
    builds_by_function: bool = False
    """True when `Image.run_function` would have run; it did not."""


class Images:
    """Keeps images by what they are made of."""

    def __init__(
        self, ledger: Ledger, ids: Ids, earlier: MutableMapping[str, "Image"] | None = None
    ) -> None:
        """
        Keep them in `ledger`; `earlier` are those of earlier Worlds of the same process.

        The SDK's own default image of Sandboxes is a handle of its module, made once.
        """
        self._ledger = ledger
        self._ids = ids
        self._earlier = {} if earlier is None else earlier
        self._images: dict[str, Image] = {}
        self._used: set[tuple[str, str]] = set()
        for _, value in ledger.all("image"):
            image = _image_from(value)
            self._images[image.image_id] = image

    def get_or_create(
        self,
        key: bytes,
        commands: Sequence[str],
        base_ids: Sequence[str],
        context_mount_id: str,
        build_function: bool,
    ) -> Image:
        """Return the image with this content."""
        image_id = self._ids.stable("im", key.hex())
        known = self._images.get(image_id)
        if known is not None:
            return known
        bases = [self.get(i) for i in base_ids]
        return self._keep(_read(image_id, commands, bases, context_mount_id, build_function))

    def get(self, image_id: str) -> Image:
        """
        Return the image.

        Raises:
            NotFound: text asserted by Modal's live tests (wire facts).
        """
        image = self._images.get(image_id)
        if image is None and image_id in self._earlier:
            image = self._keep(self._earlier[image_id])
        if image is None:
            raise NotFound(f"Could not find image with ID {image_id}: Image {image_id} not found")
        return image

    def _keep(self, image: Image) -> Image:
        self._images[image.image_id] = image
        self._ledger.put("image", image.image_id, _image_bytes(image))
        if not image.copied:  # files are gone with the World that had them
            self._earlier[image.image_id] = image
        return image

    def first_use(self, app_id: str, image: Image) -> bool:
        """Say whether this app asks for the image for the first time."""
        use = (app_id, image.image_id)
        first = use not in self._used
        self._used.add(use)
        return first

    def missing(self, image: Image, has: Callable[[str], bool]) -> list[str]:
        """Return the names of packages that the image asks for and the environment lacks."""
        names = (_package(r) for r in image.requirements)
        return sorted({n for n in names if n and n not in BUILDERS and not has(n)})


def installed(name: str) -> bool:
    """Say whether a distribution of this name is in the local environment."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _read(
    image_id: str,
    commands: Sequence[str],
    bases: Sequence[Image],
    context_mount_id: str,
    build_function: bool,
) -> Image:
    environment: dict[str, str] = {}
    directory = ""
    requirements: list[str] = []
    copied: list[str] = []
    for base in bases:
        environment.update(base.environment)
        directory = base.working_directory or directory
        requirements.extend(base.requirements)
        copied.extend(base.copied)
    for command in commands:
        word, _, rest = command.strip().partition(" ")
        if word == "ENV":
            environment.update(_env(rest))
        elif word == "WORKDIR":
            directory = (_words(rest) or [""])[0]
        elif word == "COPY" and context_mount_id and "--from" not in rest:
            copied.insert(0, context_mount_id)
        elif word == "RUN" and PIP.search(rest):
            requirements.extend(_asked(rest))
    return Image(
        image_id,
        environment,
        directory,
        tuple(requirements),
        tuple(dict.fromkeys(copied)),
        build_function or any(b.builds_by_function for b in bases),
    )


def _env(rest: str) -> dict[str, str]:
    words = _words(rest)
    if words and "=" not in words[0]:  # the old form: ENV KEY the rest
        return {words[0]: " ".join(words[1:])}
    return dict(w.split("=", 1) for w in words if "=" in w)


def _asked(command: str) -> Iterator[str]:
    after = PIP.split(command, maxsplit=1)[1]
    words = iter(_words(after))
    for word in words:
        if word in ("&&", ";", "||", "|"):
            return
        if word in OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            yield word


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an unbalanced quote: a command for a shell, not for us
        return []


def _package(requirement: str) -> str:
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        return ""


def _image_bytes(image: Image) -> bytes:
    return json.dumps(
        {
            "image_id": image.image_id,
            "environment": dict(image.environment),
            "working_directory": image.working_directory,
            "requirements": image.requirements,
            "copied": image.copied,
            "builds_by_function": image.builds_by_function,
        }
    ).encode()


def _image_from(value: bytes) -> Image:
    record = json.loads(value)
    record["requirements"] = tuple(record["requirements"])
    record["copied"] = tuple(record["copied"])
    return Image(**record)
