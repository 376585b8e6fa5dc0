"""Threads that go on though their container has ended."""

from threading import Event, Thread

from modal_emulator.runtime.inline.here import Here
from modal_emulator.runtime.inline.leftover import Remains


class Thinking(Thread):
    """A thread that ends, if at all, once somebody waits for it."""

    def __init__(self, *, ends: bool) -> None:
        self.over, self.ends, self.waited_for = Event(), ends, 0
        super().__init__(target=self.over.wait, daemon=True)

    def join(self, timeout: float | None = None) -> None:
        self.waited_for += 1
        if self.ends:
            self.over.set()
        super().join(timeout if self.ends else 0)


def remains_of(thread: Thread) -> Remains:
    here, remains = Here("ta-1", {}, lambda *_: None), Remains()
    thread.start()
    here.threads.add(thread)
    remains.add(here)
    return remains


def test_a_thread_on_its_way_out_is_not_left() -> None:
    assert remains_of(Thinking(ends=True)).running() == ()


def test_a_thread_that_goes_on_is_waited_for_once() -> None:
    thread = Thinking(ends=False)
    remains = remains_of(thread)
    for _ in range(2):
        (left,) = remains.running()
        assert (left.container_id, left.thread) == ("ta-1", thread.name)
    assert thread.waited_for == 1
    thread.over.set()
