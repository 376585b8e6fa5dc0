"""What is not committed is seen by its writer alone, and by all once the container has ended."""

from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running


@pytest.mark.modal(background_commit_seconds=0)
def test_seen_by_others_only_when_committed(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    forgotten = example("forgotten_commit")
    with forgotten.app.run():
        assert forgotten.forgets.remote("one.txt")
        assert not forgotten.sees.remote("one.txt")
        assert forgotten.commits.remote("other.txt")
        assert forgotten.sees.remote("other.txt")
        modal_emulator.volume("example-forgotten-commit").assert_tree({"other.txt": "written"})
        modal_emulator.commit_in_background()
        assert forgotten.sees.remote("one.txt")


@pytest.mark.modal(background_commit_seconds=0)
def test_there_when_the_container_has_ended(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    forgotten = example("forgotten_commit")
    with forgotten.app.run():
        forgotten.forgets.remote("one.txt")
        modal_emulator.container("forgets").stop()
        modal_emulator.settle()
        assert forgotten.sees.remote("one.txt")
