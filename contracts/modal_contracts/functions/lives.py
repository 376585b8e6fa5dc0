"""Classes of the clauses: what they do when they begin, work and end."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import modal

__all__ = [
    "CannotBeMade",
    "CannotEnter",
    "CannotExit",
    "Counter",
    "Doubler",
    "HardToEnter",
    "Named",
    "Orderly",
    "SlowToEnter",
    "Waiter",
    "Writer",
]


class Counter:
    """Counts what it is told, from when it is entered."""

    @modal.enter()
    def begin(self) -> None:
        """Start from zero."""
        self.sum = 0
        self.times = getattr(self, "times", 0) + 1

    @modal.method()
    def add(self, number: int) -> int:
        """Add to the sum."""
        self.sum += number
        return self.sum

    @modal.method()
    def entered(self) -> int:
        """Return how often this object was entered."""
        return self.times

    @modal.method()
    def flavour(self) -> str | None:
        """Return what a secret says."""
        return os.environ.get("FLAVOUR")

    @modal.method()
    def sleep(self, seconds: float) -> None:
        """Take so long."""
        time.sleep(seconds)


class Named:
    """Has parameters."""

    name: str = modal.parameter()
    count: int = modal.parameter(default=1)

    @modal.method()
    def tell(self) -> tuple[str, int]:
        """Return the parameters."""
        return self.name, self.count

    @modal.method()
    def container(self) -> str:
        """Return in which container this is."""
        return os.environ["MODAL_TASK_ID"]

    @modal.method()
    def times(self, times: int) -> str:
        """Repeat the name."""
        return self.name * times

    @modal.method()
    def letters(self, times: int) -> Iterator[str]:
        """Give the name so many times."""
        for _ in range(times):
            yield self.name


class Orderly:
    """Says what happens to it."""

    queue: str = modal.parameter()

    def _say(self, word: str) -> None:
        modal.Queue.from_name(self.queue).put(word)

    @modal.enter()
    def begin(self) -> None:
        """Say so."""
        self._say("enter")

    @modal.enter(snap=True)
    def before(self) -> None:
        """Say so."""
        self._say("snapshot")

    @modal.method()
    def work(self) -> None:
        """Say so."""
        self._say("work")

    @modal.exit()
    def end(self) -> None:
        """Say so."""
        self._say("exit")


class Writer:
    """Writes to a volume while it works and when it ends."""

    @modal.method()
    def work(self) -> None:
        """Write a file."""
        Path("/data/work.txt").write_text("work", "utf-8")

    @modal.exit()
    def end(self) -> None:
        """Write another file."""
        Path("/data/exit.txt").write_text("exit", "utf-8")


class CannotEnter:
    """Fails when it is entered."""

    @modal.enter()
    def begin(self) -> None:
        """Fail."""
        raise LookupError("cannot enter")

    @modal.method()
    def work(self) -> None:
        """Never come here."""


class SlowToEnter:
    """Takes its time to begin."""

    @modal.enter()
    def begin(self) -> None:
        """Wait."""
        time.sleep(60)

    @modal.method()
    def here(self) -> bool:
        """Say so."""
        return True


class CannotBeMade:
    """Fails in its constructor."""

    def __init__(self) -> None:
        raise LookupError("cannot be made")

    @modal.method()
    def work(self) -> None:
        """Never come here."""


class CannotExit:
    """Fails when it ends."""

    @modal.method()
    def work(self) -> str:
        """Succeed."""
        return "done"

    @modal.exit()
    def end(self) -> None:
        """Fail."""
        raise LookupError("cannot exit")


class Waiter:
    """Waits to be let go."""

    @modal.method()
    def linger(self, marks: modal.Queue, go: modal.Queue) -> str:
        """Say that it is there, and go on once it is told to."""
        marks.put(os.environ["MODAL_TASK_ID"])
        go.get()
        return os.environ["MODAL_TASK_ID"]


class Doubler:
    """Doubles lists."""

    @modal.batched(max_batch_size=1, wait_ms=0)
    def double(self, numbers: list[int]) -> list[int]:
        """Double each."""
        return [2 * number for number in numbers]


class HardToEnter:
    """Fails when it is entered, for so many times."""

    queue: str = modal.parameter()
    times: int = modal.parameter()

    @modal.enter()
    def begin(self) -> None:
        """Fail, or begin."""
        tries = modal.Queue.from_name(self.queue)
        tries.put(True)
        if tries.len() <= self.times:
            raise LookupError("cannot enter yet")

    @modal.method()
    def work(self) -> str:
        """Succeed."""
        return "done"
