"""A side door in front of a real store, and a plain HTTP client to knock at it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from modal_emulator.ground.ids import Ids
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.store.blobs import Blobs
from modal_emulator.store.content import Content
from modal_emulator.store.grants import Grants
from modal_emulator.store.ledger import Ledger
from modal_emulator.web.site import Site


class NoFaults:
    """Nothing that fails on purpose."""

    def strike(self, place: object, volume_id: str, name: str = "") -> None:
        """Let it pass."""


@dataclass
class Store:
    """What the side door reads of a World."""

    directory: Path
    content: Content
    grants: Grants
    blobs: Blobs
    faults: NoFaults

    @classmethod
    def at(cls, directory: Path) -> "Store":
        clock, ids = VirtualClock(), Ids()
        content = Content(directory / "content")
        return cls(
            directory,
            content,
            Grants(directory / "grants", clock, ids),
            Blobs(Ledger(), content, ids),
            NoFaults(),
        )

    def leftovers(self) -> list[str]:
        """Return the names of transfers that have neither ended nor been dropped."""
        return [path.name for path in self.content.incoming.iterdir()]

    def kept(self) -> set[str]:
        """Return the digests of all contents."""
        return {p.name for p in (self.directory / "content").glob("??/*")}


@dataclass
class Door:
    """The site, its store and a client."""

    site: Site
    store: Store
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.site.url


@pytest.fixture
def at_door(tmp_path) -> Callable[[Callable[[Door], Awaitable[Any]]], Any]:
    """Run a coroutine function with a door that is open as long as it runs."""

    def run(visit: Callable[[Door], Awaitable[Any]]) -> Any:
        async def visited() -> Any:
            store = Store.at(tmp_path)
            site = Site(lambda: store)  # type: ignore[arg-type, return-value]
            await site.start()
            try:
                async with aiohttp.ClientSession() as client:
                    return await visit(Door(site, store, client))
            finally:
                await site.stop()

        return asyncio.run(asyncio.wait_for(visited(), 120))

    return run
