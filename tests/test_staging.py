"""A test holds calls at their storage steps and lets them go, in both kinds of containers."""

import pytest

import stagework
from modal_emulator.staging import StageHandle

RUNTIMES = [
    pytest.param("inline", marks=pytest.mark.modal(runtime="inline")),
    pytest.param("process", marks=[pytest.mark.modal(runtime="process"), pytest.mark.slow]),
]
everywhere = pytest.mark.parametrize("runtime", RUNTIMES)
inline = pytest.mark.modal(runtime="inline")


@everywhere
def test_a_lost_update_is_staged(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        one = modal_stage.spawn(stagework.add, "a")
        two = modal_stage.spawn(stagework.add, "b")
        assert (one.name, two.name) == ("add#1", "add#2")
        assert str(one.at) == "before start"
        one.until("commit")
        assert one.at is not None
        assert (one.at.kind, one.at.of, one.at.moment) == ("commit", "shared", "before")
        assert two.finish() == ["b"]
        assert one.finish() == ["a"]
        assert stagework.index() == ["a"]


@everywhere
def test_another_order_loses_nothing(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        one = modal_stage.spawn(stagework.add, "a")
        two = modal_stage.spawn(stagework.add, "b")
        one.after("commit")
        # The other's container starts only now, and so sees that.
        assert two.finish() == ["a", "b"]
        assert one.finish() == ["a"]
        assert stagework.index() == ["a", "b"]
