"""Programs that the machine has found, played again over every kind of mount."""

import pytest

from machines.test_containers import STILL
from modal_contracts.volumes.machine import Containers
from modal_contracts.volumes.stage import Play


@pytest.mark.slow
def test_a_directory_that_was_removed_and_made_again(open_scene):
    """Found by the machine in plain containers: the mark of the removal was in the way."""
    attributes = {"open_scene": staticmethod(open_scene), "play": Play(1, "", 2, STILL[1])}
    machine = type("Played", (Containers,), attributes)()
    machine.begin(there=("a/a", "a/b/c", "b"))
    machine.remove_tree(who=0, path="a", then="commit")
    machine.make_directory(who=0, path="a", then="commit")
    machine.write(who=0, path="a/b", size=7, then="reload")
    machine.teardown()
