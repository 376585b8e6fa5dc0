"""Dicts and Queues in the hands of a test: what user code sees, as Python values."""

import modal
import pytest

from modal_emulator.ground.errors import NotFound


def test_a_dict_is_used_as_one_of_pythons(modal_emulator):
    held = modal_emulator.dict("d")
    held["a"] = 1
    held.update({2: None}, b=[3])
    remote = modal.Dict.from_name("d")
    assert dict(remote.items()) == {"a": 1, 2: None, "b": [3]} == held
    remote["c"] = {"deep": {4}}
    assert held["c"] == {"deep": {4}}
    assert (len(held), "a" in held, 1 in held) == (4, True, False)
    assert held.pop("a") == 1
    assert held.pop("a", "gone") == "gone"
    del held["b"]
    assert set(held) == {2, "c"}
    assert held.copy() == {2: None, "c": {"deep": {4}}}
    for missing in (held.__getitem__, held.__delitem__, held.pop):
        with pytest.raises(KeyError, match="'a'"):
            missing("a")
    assert held.get(2, "default") is None
    held.clear()
    assert not held and remote.len() == 0


def test_a_queue_is_filled_and_drained(modal_emulator):
    line = modal_emulator.queue("q")
    line.put("a", 1)
    line.put("b", partition="p")
    remote = modal.Queue.from_name("q")
    assert remote.get() == "a"
    remote.put({"deep": None})
    assert line.items() == [1, {"deep": None}]
    assert len(line) == 3
    assert line.drain() == [1, {"deep": None}]
    assert line.drain() == []
    assert line.items("p") == ["b"]
    line.clear()
    assert len(line) == 0 == remote.len(total=True)


def test_handles_come_out_as_handles(modal_emulator):
    inner = modal.Dict.from_name("inner", create_if_missing=True)
    inner["key"] = "value"
    modal.Queue.from_name("q", create_if_missing=True).put(inner)
    [handle] = modal_emulator.queue("q").items()
    assert handle["key"] == "value"


@pytest.mark.parametrize("kind", ["dict", "queue"])
def test_a_handle_changes_nothing_by_itself(modal_emulator, kind):
    handle = getattr(modal_emulator, kind)("x")
    assert repr(handle) == f"<{kind.title()} 'x'>"
    assert not handle.exists()
    for ask in (handle.__len__, handle.clear, handle.remove):
        with pytest.raises(NotFound, match=f"{kind.title()} 'x' not found in environment 'main'"):
            ask()
    getattr(modal, kind.title()).from_name("x", create_if_missing=True).hydrate()
    assert handle.exists()
    handle.remove()
    assert not handle.exists()
    with pytest.raises(NotFound, match="'stage'"):
        getattr(modal_emulator, kind)("x", environment="stage").clear()


def test_handles_of_an_earlier_world_find_it_empty(modal_emulator):
    held = modal.Dict.from_name("d", create_if_missing=True)
    line = modal.Queue.from_name("q", create_if_missing=True)
    held["a"] = 1
    line.put(1)
    found = modal.Dict.from_name("d")
    assert found["a"] == 1
    modal_emulator.reset()
    assert (held.len(), line.len(), found.len()) == (0, 0, 0)
    held["a"] = 2
    line.put(2)
    assert (found["a"], line.get()) == (2, 2)
