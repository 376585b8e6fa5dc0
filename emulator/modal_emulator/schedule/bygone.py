"""
Containers that have ended: that they were there, of which app, and when.

It follows the journal, and wakes who reads the logs of a container that has just ended.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.schedule.logs import Logs
from modal_emulator.store.apps import Apps

__all__ = ["Bygone", "Bygones"]

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Bygone:
    """A container that was started, and has ended unless `finished_at` is 0."""

    container_id: str
    app_id: str
    started_at: float
    finished_at: float = 0.0


class Bygones:
    """Remembers the newest."""

    def __init__(self, apps: Apps, logs: Logs, journal: Journal) -> None:
        self._apps = apps
        self._logs = logs
        self._there: OrderedDict[str, Bygone] = OrderedDict()
        journal.listen(self._hear, "container.start", "container.exit")

    def get(self, container_id: str) -> Bygone:
        """
        Return a container that was started.

        Raises:
            NotFound: there was none, or it is forgotten.
        """
        found = self._there.get(container_id)
        if found is None:
            raise NotFound(f"No Container with ID '{container_id}' found")
        return found

    def is_over(self, container_id: str) -> bool:
        """Say whether a container has ended."""
        found = self._there.get(container_id)
        return found is not None and found.finished_at > 0

    def _hear(self, event: Event) -> None:
        container_id = str(event.values["container_id"])
        if event.kind == "container.start":
            app_id = self._apps.past(str(event.values["function_id"])).app_id
            self._there[container_id] = Bygone(container_id, app_id, event.at)
            if len(self._there) > MOST:
                self._there.popitem(last=False)
        elif event.kind == "container.exit" and container_id in self._there:
            old = self._there[container_id]
            self._there[container_id] = replace(old, finished_at=event.at)
            self._logs.wake(old.app_id)
