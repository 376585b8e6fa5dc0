"""
Versions of volumes on their way in and out: slow work in threads, with what it needs held for it.

What was begun is finished also when the caller goes away in the middle, so that nothing that was
held stays held. It knows no protocol: archives come from and go to whatever reads and writes.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from modal_emulator.store.editions import Edition
from modal_emulator.store.history import Committer, Version
from modal_emulator.store.tars import Member
from modal_emulator.store.volumes import Volumes

__all__ = ["bring", "look"]

T = TypeVar("T")


async def look(edition: Edition, work: Callable[[Edition], T]) -> T:
    """Do something with an open edition in a thread, and close it."""

    async def carry_out() -> T:
        try:
            return await asyncio.to_thread(work, edition)
        finally:
            edition.close()

    return await asyncio.shield(carry_out())


async def bring(
    volumes: Volumes, volume_id: str, members: Iterable[Member], by: Committer
) -> Version:
    """Add what an archive or a directory holds to a volume, in one version."""
    writing = volumes.begin_add(volume_id, members)

    async def carry_out() -> Version:
        try:
            written = await asyncio.to_thread(writing.write)
        except BaseException:
            volumes.abandon(writing)
            raise
        return volumes.finish(writing, written, by)

    return await asyncio.shield(carry_out())
