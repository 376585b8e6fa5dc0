"""The whole store over one directory, with hands to use it by."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.store.births import Births
from modal_emulator.store.blobs import Blobs
from modal_emulator.store.checkout import Checkout
from modal_emulator.store.content import Content
from modal_emulator.store.environments import Environments
from modal_emulator.store.history import Committer, Version
from modal_emulator.store.layer import read_stack
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.names import Creation, Names
from modal_emulator.store.secrets import Secrets
from modal_emulator.store.tree import Kind
from modal_emulator.store.volumes import Incoming, Volumes

API = Committer(via="api")


@dataclass
class StillClock:
    """Shows the instant it is set to."""

    at: float = 1_700_000_000.0

    def now(self) -> float:
        return self.at

    def lived(self) -> float:
        return self.at

    def after(self, seconds: float, then: object) -> NoReturn:
        raise AssertionError("the store does not wait")

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the store does not wait")

    sleep_until = live = sleep

    def stamps(self) -> None:
        """Files carry the machine's time."""


class Store:
    """One World's store; `reopen` is what a restart of the server does."""

    def __init__(
        self,
        directory: Path,
        *,
        births: Births | None = None,
        on_disk: bool = True,
        limits: VolumeLimits | None = None,
    ) -> None:
        self.directory = directory
        self.clock = StillClock()
        self.births = births or Births()
        self.ids = Ids(seed=7, salt="test")
        self.on_disk = on_disk
        self.limits = limits or VolumeLimits(versions_kept=1)
        self.open()

    def open(self) -> None:
        self.journal = Journal(self.clock)
        if self.on_disk or not hasattr(self, "ledger"):
            self.ledger = Ledger(self.directory if self.on_disk else None)
        self.names = Names(self.ledger, self.clock, self.ids, self.births, user="me")
        self.environments = Environments(self.ledger, self.names, self.clock, self.ids)
        self.content = Content(self.directory / "content")
        self.blobs = Blobs(self.ledger, self.content, self.ids)
        self.secrets = Secrets(
            self.ledger, self.names, self.environments, self.clock, self.journal, "acme"
        )
        self.volumes = Volumes(
            ledger=self.ledger,
            names=self.names,
            environments=self.environments,
            directory=self.directory / "volumes",
            content=self.content,
            clock=self.clock,
            ids=self.ids,
            journal=self.journal,
            limits=self.limits,
        )

    def reopen(self) -> None:
        if self.on_disk:
            self.ledger.close()
        self.open()

    def close(self) -> None:
        self.ledger.close()

    # ---------------------------------------------------------------- volumes

    def volume(
        self,
        name: str = "data",
        creation: Creation = Creation.CREATE_IF_MISSING,
        version: int | None = None,
    ) -> str:
        return self.volumes.get_or_create(
            name=name, environment="", creation=creation, version=version
        ).volume_id

    def put(self, volume_id: str, overwrite: bool = True, **files: bytes) -> Version:
        """Put files; in the names, two underscores stand for a slash and one for a dot."""
        incoming = [
            self.incoming(name.replace("__", "/").replace("_", "."), data)
            for name, data in files.items()
        ]
        return self.volumes.put_files(volume_id, incoming, overwrite=overwrite, by=API)

    def incoming(self, path: str, data: bytes, mode: int = 0o644) -> Incoming:
        return Incoming(path, len(data), mode, (self.content.add(data),), max(len(data), 1))

    def commit(self, checkout: Checkout, via: str = "commit") -> Version | None:
        """Stage and publish; None when there was nothing to stage."""
        staged = self.volumes.stage(checkout)
        if staged is None:
            return None
        by = Committer(checkout.holder, via=via)
        return self.volumes.publish(checkout, staged, by)

    def read(self, volume_id: str, path: str) -> bytes:
        return self.volumes.locate(volume_id, path).path.read_bytes()

    def files(self, volume_id: str) -> dict[str, bytes]:
        """Return all regular files of the newest version; checks that disk and tree agree."""
        head = self.volumes.history(volume_id).head
        if head.layers:
            assert dict(self.stack(volume_id).walk()) == dict(head.tree.walk())
        return {
            path: self.read(volume_id, path)
            for path, entry in self.volumes.entries(volume_id, "/", recursive=True)
            if entry.kind is Kind.FILE
        }

    def paths(self, volume_id: str) -> list[str]:
        return [path for path, _ in self.volumes.entries(volume_id, "", recursive=True)]

    def stack(self, volume_id: str):
        layers = self.volumes.history(volume_id).head.layers
        return read_stack([self.directory / "volumes" / volume_id / layer for layer in layers])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    # Its ledger is in memory and simply stays over a restart, which is quicker.
    made = Store(tmp_path / "state", on_disk=False)
    yield made
    made.close()


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[object]:
    made: list[Store] = []

    def make(name: str = "state", **options: object) -> Store:
        made.append(Store(tmp_path / name, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
