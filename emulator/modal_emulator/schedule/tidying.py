"""
What is done to a volume after a commit, so that no commit has to wait for it.

Layers that became many are merged, and some of what is gone is deleted, in a thread.
"""

import asyncio

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.store.volumes import Volumes

__all__ = ["Tidying"]

_SWEPT = 5000  # names that are deleted after a commit: many enough to come to an end


class Tidying:
    """Tidies each volume up once at a time."""

    def __init__(self, volumes: Volumes, journal: Journal) -> None:
        self._volumes = volumes
        self._journal = journal
        self._merging: set[str] = set()

    async def tidy(self, volume_id: str) -> None:
        """Merge layers, and delete some of what is gone."""
        if volume_id in self._merging:
            return
        self._merging.add(volume_id)
        try:
            await self._merge_if_due(volume_id)
            await asyncio.to_thread(self._volumes.empty_trash, _SWEPT)
        except NotFound:
            pass  # deleted meanwhile
        except OSError as error:  # such as a full disk; the next commit tries again
            self._journal.add("volume.merge-failed", volume_id=volume_id, error=repr(error))
        finally:
            self._merging.discard(volume_id)

    async def _merge_if_due(self, volume_id: str) -> None:
        merging = self._volumes.begin_merge(volume_id)
        if merging is None:
            return
        try:
            size = await asyncio.to_thread(merging.run)
        except BaseException:
            self._volumes.abandon_merge(merging)
            raise
        self._volumes.finish_merge(merging, size)
