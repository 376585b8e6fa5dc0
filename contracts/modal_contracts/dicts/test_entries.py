"""What an entry of a Dict is: keys and values, missing ones, tests and changes in one step."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Scene

__all__ = ()

GUIDE = documented("guide/dicts-and-queues")
REFERENCE = documented("sdk/py/latest/modal.Dict")
MANY = 10_000
MEBIBYTE = 1 << 20


@clause("dicts/what-is-put-is-found", GUIDE)
def test_what_is_put_is_found(scene: Scene) -> None:
    """Entries are set and read as those of a Python dict, with any value that can be pickled."""
    entries = scene.dict()
    values: dict[Any, Any] = {
        "text": "ü",
        1: None,
        (2, "pair"): {"deep": [1, 2.5, {3}]},
        b"bytes": b"\0" * 1000,
        None: MANY,
    }
    for key, value in values.items():
        entries[key] = value
    assert {key: entries[key] for key in values} == values
    entries["text"] = "again"
    assert entries["text"] == "again"


@clause("dicts/handles-are-values", assumed("the guide allows Modal objects in a Queue"))
def test_handles_are_values(scene: Scene) -> None:
    """A handle to another object is a value, and works when it is read."""
    inner = scene.dict({"key": "deep"})
    outer = scene.dict({"handle": inner})
    assert outer["handle"]["key"] == "deep"


@clause("dicts/a-missing-key-has-these-words", inferred("modal/dict.py", "_Dict.__getitem__"))
def test_a_missing_key_has_these_words(scene: Scene) -> None:
    """Reading, popping and deleting a key that is not there raise KeyError, and `get` does not."""
    entries = scene.dict({"key": 1})
    text = repr(f"other not in dict {entries.object_id}")
    for ask in (entries.__getitem__, entries.pop, entries.__delitem__):
        with pytest.raises(KeyError) as refusal:
            ask("other")
        assert str(refusal.value) == text
    assert entries.get("other") is None
    assert entries.get("other", 7) == 7
    assert not entries.contains("other")
    assert "other" not in entries


@clause("dicts/none-is-a-value", inferred("modal/dict.py", "_Dict.get"))
def test_none_is_a_value(scene: Scene) -> None:
    """A key whose value is None is there, and its default is not used."""
    entries = scene.dict({"key": None})
    assert "key" in entries
    assert entries.get("key", "default") is None
    assert entries["key"] is None
    assert entries.pop("key") is None
    assert "key" not in entries


@clause("dicts/pop-takes-the-entry", REFERENCE)
def test_pop_takes_the_entry(scene: Scene) -> None:
    """`pop` gives the value and `del` does not; after either the key is gone."""
    entries = scene.dict({"a": 1, "b": 2})
    assert entries.pop("a") == 1
    del entries["b"]
    assert entries.len() == 0


@clause("dicts/pop-may-have-a-default", documented("changelog/1.2.0"), since="1.2.0")
def test_pop_may_have_a_default(scene: Scene) -> None:
    """With a default, `pop` of a missing key gives that, None included."""
    entries = scene.dict()
    assert entries.pop("key", "default") == "default"
    assert entries.pop("key", None) is None


@clause("dicts/equal-keys-may-differ", GUIDE)
def test_equal_keys_may_differ(scene: Scene) -> None:
    """Keys are the same only when their pickles are: 1, 1.0 and True are three."""
    entries = scene.dict()
    for key in (1, 1.0, True):
        entries[key] = repr(key)
    assert entries.len() == 3
    assert [entries[key] for key in (1, 1.0, True)] == ["1", "1.0", "True"]
    entries[1] = "again"
    assert entries.len() == 3
    assert "1" not in entries


@clause("dicts/a-change-within-a-value-is-lost", GUIDE)
def test_a_change_within_a_value_is_lost(scene: Scene) -> None:
    """What is read is a copy, so that changing it changes nothing until it is put again."""
    entries = scene.dict({"key": {"inner": 1}})
    entries["key"]["inner"] = 2
    assert entries["key"] == {"inner": 1}
    value = entries["key"]
    value["inner"] = 2
    entries["key"] = value
    assert entries["key"] == {"inner": 2}


@clause("dicts/put-can-test-and-set", REFERENCE)
def test_put_can_test_and_set(scene: Scene) -> None:
    """`put` says whether it put; with `skip_if_exists` it leaves what is there."""
    entries = scene.dict()
    assert entries.put("key", 1) is True
    assert entries.put("key", 2) is True
    assert entries.put("key", 3, skip_if_exists=True) is False
    assert entries["key"] == 2
    assert entries.put("other", 4, skip_if_exists=True) is True
    assert entries["other"] == 4


@clause(
    "dicts/only-one-of-many-is-first",
    assumed("`skip_if_exists` is the primitive that Modal names for locks, which must be atomic"),
)
def test_only_one_of_many_is_first(scene: Scene) -> None:
    """Of callers who put the same key at once with `skip_if_exists`, exactly one succeeds."""
    entries = scene.dict()
    with ThreadPoolExecutor(8) as threads:
        for key in range(4):
            won = threads.map(lambda me: entries.put(key, me, skip_if_exists=True), range(8))  # noqa: B023 - used at once
            assert sorted(won) == [False] * 7 + [True]


@clause("dicts/update-is-as-that-of-a-dict", REFERENCE)
def test_update_is_as_that_of_a_dict(scene: Scene) -> None:
    """`update` takes a mapping and keywords, replaces what is there and leaves the rest."""
    entries = scene.dict({"a": 1, "b": 1})
    entries.update({"b": 2, 3: "three"}, c=2)
    assert dict(entries.items()) == {"a": 1, "b": 2, 3: "three", "c": 2}
    entries.update({})
    assert entries.len() == 4


@clause("dicts/all-can-be-looked-through", REFERENCE)
def test_all_can_be_looked_through(scene: Scene) -> None:
    """`keys`, `values` and `items` give each entry once, in no promised order, one by one."""
    held = {number: str(number) for number in range(120)}
    entries = scene.dict(held)
    assert dict(entries.items()) == held
    assert sorted(entries.keys()) == sorted(held)
    assert sorted(entries.values()) == sorted(held.values())
    keys = entries.keys()
    assert next(keys) in held
    assert entries.len() == 120


@clause("dicts/clear-takes-all", REFERENCE)
def test_clear_takes_all(scene: Scene) -> None:
    """After `clear` the Dict is there and empty."""
    entries = scene.dict({"a": 1, "b": 2})
    entries.clear()
    assert entries.len() == 0
    assert list(entries.items()) == []
    entries["a"] = 3
    assert entries["a"] == 3


@clause("dicts/an-update-may-have-10000-entries", GUIDE)
def test_an_update_may_have_10000_entries(scene: Scene) -> None:
    """As many entries as the guide allows are set by one `update`."""
    entries = scene.dict({number: number for number in range(MANY)})
    assert entries.len() == MANY
    assert entries[MANY - 1] == MANY - 1


@clause("dicts/a-value-may-be-large", GUIDE)
def test_a_value_may_be_large(scene: Scene) -> None:
    """A value of the size that the guide recommends as the largest arrives unchanged."""
    value = bytes(range(256)) * (5 * MEBIBYTE // 256)
    entries = scene.dict({"key": value})
    assert entries["key"] == value
    assert list(entries.values()) == [value]


@clause(
    "dicts/a-value-that-nobody-can-read-says-so",
    inferred("modal/dict.py", "_deserialize_dict_value"),
    since="1.6.4",
)
def test_a_value_that_nobody_can_read_says_so(scene: Scene) -> None:
    """A value that does not unpickle raises DeserializationError, with its key and its Dict."""
    entries = scene.dict()
    entries["key"] = Unreadable()
    with pytest.raises(modal.exception.DeserializationError) as refusal:
        entries.get("key")
    assert str(refusal.value).startswith("Failed to deserialize value for key 'key' from Dict '")


class Unreadable:
    """Can be pickled, but not read again."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Name a module that nobody has."""
        return __import__, ("a_module_that_nobody_has",)
