"""How many names may still be made."""

from pathlib import Path

import pytest

from modal_emulator.runtime.allowance import Allowance
from modal_emulator.runtime.backend import Bound
from modal_emulator.runtime.callers import Place


class Room:
    """A directory that is filled through an allowance."""

    def __init__(self, path: Path, most: int, left: int, *, per_directory: bool = False) -> None:
        self.path = path
        self.busy: set[int] = set()
        bound = Bound(most, left, per_directory)
        self.allowance = Allowance(bound, str(path), self.busy.__contains__)
        self.answers: list[bool] = []

    def ask(self, name: str, thread: int = 1) -> None:
        path = self.path / name
        self.allowance.returned(thread)
        place = Place(0, path.parent.stat().st_ino, str(path), path.exists())
        self.allowance.ask(place, thread, self.answer)

    def answer(self, *, has_room: bool) -> None:
        self.answers.append(has_room)

    def steps(self) -> int:
        """Count to the end; return how many steps that took."""
        steps = 0
        while self.allowance.is_counting:
            self.allowance.step()
            steps += 1
        return steps

    def make(self, name: str, thread: int = 1) -> bool:
        self.ask(name, thread)
        self.steps()
        answer = self.answers.pop()
        if answer:
            (self.path / name).touch()
        return answer


@pytest.mark.parametrize("left", [2, 0, 1])
def test_what_is_left_is_counted_down_and_then_counted_anew(tmp_path: Path, left: int) -> None:
    room = Room(tmp_path, 3, left)
    (tmp_path / "old").touch()
    assert [room.make(name) for name in "abc"] == [True, True, False]
    (tmp_path / "a").unlink()
    assert [room.make(name) for name in "cd"] == [True, False]


def test_directories_count_and_what_is_in_them(tmp_path: Path) -> None:
    room = Room(tmp_path, 5, 0)
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "a").touch()
    (tmp_path / "d" / "loop").symlink_to(tmp_path)
    room.ask("b")
    assert room.answers == []
    assert room.steps() == 4  # three directories, and the end
    assert room.answers == [True]


def test_each_directory_by_itself(tmp_path: Path) -> None:
    room = Room(tmp_path, 2, 0, per_directory=True)
    (tmp_path / "d").mkdir()
    assert [room.make(name) for name in ("d/a", "b", "d/b", "c", "d/c")] == [
        *(True, True),
        *(True, False),
        False,
    ]


def test_who_asks_during_a_count_waits_for_it(tmp_path: Path) -> None:
    room = Room(tmp_path, 2, 0)
    for thread, name in enumerate("abc"):
        room.ask(name, thread)
    room.steps()
    assert room.answers == [True, True, False]


def test_names_that_are_let_and_not_there_yet_count(tmp_path: Path) -> None:
    room = Room(tmp_path, 2, 1)
    (tmp_path / "old").touch()
    room.ask("a", thread=1)
    room.busy.add(1)
    assert room.answers == [True]
    assert not room.make("b", thread=2)
    # It made nothing after all.
    room.busy.clear()
    assert room.make("b", thread=2)


def test_a_name_that_appears_during_the_count_is_not_counted_twice(tmp_path: Path) -> None:
    room = Room(tmp_path, 2, 1)
    room.ask("a", thread=1)
    room.busy.add(1)
    room.ask("b", thread=2)
    (tmp_path / "a").touch()
    room.steps()
    assert room.answers == [True, True]


def test_the_next_call_of_a_thread_says_that_the_last_is_over(tmp_path: Path) -> None:
    room = Room(tmp_path, 1, 1)
    room.ask("a", thread=1)
    room.busy.add(1)
    assert room.make("b", thread=1)


def test_what_is_removed_during_the_count_is_gone(tmp_path: Path) -> None:
    room = Room(tmp_path, 3, 0)
    (tmp_path / "d").mkdir()
    room.ask("a")
    room.allowance.step()
    (tmp_path / "d").rmdir()
    room.steps()
    assert room.answers == [True]


def test_nobody_is_kept_waiting_by_a_volume_that_is_gone(tmp_path: Path) -> None:
    room = Room(tmp_path, 0, 0)
    room.ask("a")
    room.allowance.forsake()
    assert room.answers == [True]
