"""
The deployments of apps: every version there was, with the functions that it had.

A version is for good. Functions are kept once each, by the digest of what they say, so a version
that changed one function holds one more. What runs is not known here but in `apps`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum

from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.store.functions import Function, function_bytes, function_from
from modal_emulator.store.ledger import Ledger

__all__ = ["Author", "Deployment", "DeploymentKind", "Deployments", "Layout"]


class DeploymentKind(Enum):
    """How a version came to be; the numbers are those of Modal's DeploymentType."""

    STANDARD = 1
    ROLLBACK = 2
    ROLLOVER = 3
    PROMOTION = 4
    STAGED = 5


@dataclass(frozen=True, slots=True)
class Author:
    """Who deploys, with what, and from which state of their repository."""

    name: str = ""
    client: str = ""
    """The version of the SDK."""
    commit: bytes = field(default=b"", repr=False)
    """What the client says of its repository, as it said it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Functions and classes of an app by their tags, and what the app is labelled with."""

    function_ids: Mapping[str, str] = field(default_factory=dict)
    class_ids: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One version of an app."""

    version: int
    at: float
    kind: DeploymentKind = DeploymentKind.STANDARD
    tag: str = ""
    author: Author = Author()
    again: int = 0
    """The earlier version that it is once more, for those that are."""
    layout: Layout = Layout()
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By function id, where what it said is kept."""
    definition_ids: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_whole(self) -> bool:
        """False for one that an older emulator kept no functions of."""
        return self.digests.keys() >= set(self.layout.function_ids.values())


class Deployments:
    """Keeps them, by app."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._of: dict[str, tuple[Deployment, ...]] = {}
        for key, value in ledger.all("deployment"):
            app_id = key.partition("/")[0]
            self._of[app_id] = (*self._of.get(app_id, ()), _deployment_from(value))

    def of(self, app_id: str) -> tuple[Deployment, ...]:
        """Return the versions of an app, oldest first."""
        return self._of.get(app_id, ())

    def latest(self, app_id: str) -> int:
        """Return the number of the newest version, staged ones among them; 0 before the first."""
        there = self.of(app_id)
        return there[-1].version if there else 0

    def get(self, app_id: str, version: int) -> Deployment:
        """
        Return a version.

        Raises:
            NotFound: there was none of this number; the words are a guess.
        """
        for deployment in self.of(app_id):
            if deployment.version == version:
                return deployment
        raise NotFound(f"App '{app_id}' has no version {version}")

    def before(self, app_id: str, version: int) -> Deployment:
        """
        Return the version that was in production before this one.

        Raises:
            Invalid: there was none; the words are a guess.
        """
        for deployment in reversed(self.of(app_id)):
            if deployment.version < version and deployment.kind is not DeploymentKind.STAGED:
                return deployment
        raise Invalid("The App has no previous version to roll back to")

    def functions(self, deployment: Deployment) -> tuple[Function, ...]:
        """
        Return the functions as they were in a version.

        Raises:
            NotFound: they were not kept.
        """
        if not deployment.is_whole:
            raise NotFound(f"What version {deployment.version} consisted of was not kept")
        return tuple(self._function(deployment, function_id) for function_id in deployment.digests)

    def add(self, app_id: str, deployment: Deployment, functions: Iterable[Function]) -> Deployment:
        """Keep a version with its functions; inside a transaction, which may still fail."""
        digests, ids = {}, {}
        for function in functions:
            ids[function.function_id] = function.definition_id
            value = function_bytes(function)
            digests[function.function_id] = digest = hashlib.sha256(value).hexdigest()
            self._ledger.put("definition", digest, value)
        made = replace(deployment, digests=digests, definition_ids=ids)
        self._ledger.put("deployment", f"{app_id}/{made.version:08}", _deployment_bytes(made))
        old = self.of(app_id)
        self._ledger.on_rollback(lambda: self._of.update({app_id: old}))
        self._of[app_id] = (*old, made)
        return made

    def _function(self, deployment: Deployment, function_id: str) -> Function:
        value = self._ledger.get("definition", deployment.digests[function_id])
        assert value is not None  # it became true together with the deployment
        return replace(function_from(value), definition_id=deployment.definition_ids[function_id])

    def adopt(
        self,
        app_id: str,
        rows: Iterable[tuple[int, float, str]],
        layout: Layout,
        functions: Iterable[Function],
    ) -> None:
        """Take over versions of which an older emulator kept what runs now and little else."""
        *older, newest = (Deployment(v, at, tag=tag, layout=layout) for v, at, tag in rows)
        for deployment in older:
            self.add(app_id, deployment, ())
        self.add(app_id, newest, functions)


def _deployment_bytes(deployment: Deployment) -> bytes:
    record = asdict(deployment)
    record["kind"] = deployment.kind.value
    record["author"]["commit"] = deployment.author.commit.hex()
    return json.dumps(record).encode()


def _deployment_from(value: bytes) -> Deployment:
    record = json.loads(value)
    record["kind"] = DeploymentKind(record["kind"])
    author = record["author"]
    record["author"] = Author(**{**author, "commit": bytes.fromhex(author["commit"])})
    record["layout"] = Layout(**record["layout"])
    return Deployment(**record)
