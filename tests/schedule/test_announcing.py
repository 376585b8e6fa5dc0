"""Findings of a server, told as they come: each once, and what is uncertain not yet."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.findings.levels import Levels
from modal_emulator.findings.reloads import OPEN_FILES
from modal_emulator.findings.search import search
from modal_emulator.findings.story import story_of
from modal_emulator.ground.steps import Kind
from modal_emulator.schedule.announcing import Announcing
from modal_emulator.schedule.explaining import Explaining, Told
from tales import NAMES, Tale

Scene = Callable[[Announcing], Awaitable[None]]


class Reading:
    """What a journal tells, of its newest events."""

    def __init__(self, tale: Tale) -> None:
        self.tale = tale
        self.forgotten = 0
        self.looks = 0

    async def beside(self, newest: int = 0) -> Told:
        self.looks += 1
        story = story_of(self.tale.journal.events()[self.forgotten :], NAMES)
        return story, search(story)


@pytest.fixture
def tale() -> Tale:
    """A container that is about to read what another has published."""
    tale = Tale()
    for who in ("write", "read"):
        tale.start(who)
    tale.step("write", Kind.WRITE, "a.txt")
    tale.commit("write", "a.txt")
    tale.put("write")
    tale.get("read")
    return tale


@pytest.fixture
def reading(tale: Tale) -> Reading:
    return Reading(tale)


@pytest.fixture
def told() -> list[Finding]:
    return []


@pytest.fixture
def play(reading: Reading, told: list[Finding]) -> Callable[..., None]:
    """Let a scene happen on a loop; the time that is waited passes at once."""

    def play(scene: Scene, levels: Levels | None = None) -> None:
        async def run() -> None:
            announcing = Announcing(
                journal=reading.tale.journal,
                explaining=cast("Explaining", reading),
                levels=levels or Levels(),
                live=lambda seconds: asyncio.sleep(0),
                tell=told.append,
            )
            await scene(announcing)

        asyncio.run(run())

    return play


def read(tale: Tale, path: str = "a.txt") -> None:
    tale.step("read", Kind.READ, path, where="app.py:3 in read")


def test_each_is_told_once(tale: Tale, reading: Reading, told: list[Finding], play) -> None:
    async def scene(announcing: Announcing) -> None:
        await announcing.look()
        assert told == []
        read(tale)
        await announcing.look()
        read(tale)
        read(tale, "a.txt/../a.txt")
        await announcing.look()
        reading.forgotten = 2  # the journal's oldest events go
        await announcing.look()
        await announcing.finish()
        assert [one.subject for one in told] == [Subject.STALE_READ]

    play(scene)


def test_another_one_is_told_as_well(tale: Tale, told: list[Finding], play) -> None:
    async def scene(announcing: Announcing) -> None:
        read(tale)
        await announcing.look()
        tale.step("read", Kind.LIST, "", where="app.py:9 in read")
        await announcing.finish()
        assert [one.paths for one in told] == [("a.txt",), ("",)]

    play(scene)


def test_it_looks_by_itself_after_something_happened(
    tale: Tale, reading: Reading, told: list[Finding], play
) -> None:
    async def scene(announcing: Announcing) -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        assert reading.looks == 0
        tale.put("read")  # that tells nothing of volumes
        for _ in range(50):
            await asyncio.sleep(0)
        assert reading.looks == 0
        read(tale)
        while not told:
            await asyncio.sleep(0)
        await announcing.finish()
        assert (len(told), reading.looks) == (1, 2)

    play(scene)


def test_without_quiet_it_is_told_if_it_stays(
    tale: Tale, reading: Reading, told: list[Finding], play
) -> None:
    """A question that a writing of the same line follows is no stale read after all."""

    async def scene(announcing: Announcing) -> None:
        tale.step("read", Kind.LOOK, "a.txt", where="app.py:3 in read")
        assert await announcing.look(at_rest=False)
        tale.step("read", Kind.WRITE, "a.txt", where="app.py:3 in read")
        assert not await announcing.look(at_rest=False)
        tale.step("read", Kind.LIST, "", where="app.py:4 in read")
        assert await announcing.look(at_rest=False)
        assert told == []
        assert not await announcing.look(at_rest=False)
        assert [one.paths for one in told] == [("",)]
        await announcing.finish()

    play(scene)


@pytest.mark.parametrize("granted", [True, False])
def test_what_may_still_come_right_waits(
    tale: Tale, told: list[Finding], play, *, granted: bool
) -> None:
    async def scene(announcing: Announcing) -> None:
        for _ in range(2):
            tale.step("write", Kind.RELOAD, error=f"Invalid('{OPEN_FILES}')")
        await announcing.look()
        assert told == []
        if granted:
            tale.reload("write")
        tale.exit("write")
        await announcing.look()
        await announcing.finish()
        assert [one.subject for one in told] == [Subject.BLOCKED_RELOAD] * (not granted)

    play(scene)


def test_the_end_makes_certain(tale: Tale, told: list[Finding], play) -> None:
    async def scene(announcing: Announcing) -> None:
        for _ in range(2):
            tale.step("write", Kind.RELOAD, error=f"Invalid('{OPEN_FILES}')")
        await announcing.finish()
        assert [one.subject for one in told] == [Subject.BLOCKED_RELOAD]

    play(scene)


def test_what_is_off_is_not_told(tale: Tale, told: list[Finding], play) -> None:
    async def scene(announcing: Announcing) -> None:
        read(tale)
        await announcing.finish()
        assert told == []

    play(scene, Levels().having({"stale read": "off"}))
