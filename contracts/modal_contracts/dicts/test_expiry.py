"""How long an entry of a Dict lives."""

from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

GUIDE = documented("guide/dicts-and-queues")
CLOCK = {Capability.CLOCK}


@clause("dicts/an-entry-ends-after-seven-idle-days", GUIDE, needs=CLOCK)
def test_an_entry_ends_after_seven_idle_days(scene: Scene) -> None:
    """An entry that is neither read nor written for seven days is gone, and the Dict stays."""
    entries = scene.dict({"key": "value"})
    scene.advance(days=6, hours=23)
    assert entries.len() == 1
    scene.advance(hours=1, seconds=1)
    assert entries.len() == 0
    assert entries.get("key") is None
    assert list(entries.items()) == []
    assert entries.put("key", "again", skip_if_exists=True)


@clause("dicts/each-entry-has-days-of-its-own", GUIDE, needs=CLOCK)
def test_each_entry_has_days_of_its_own(scene: Scene) -> None:
    """Writing one entry does not keep the others."""
    entries = scene.dict({"old": 1, "kept": 1})
    scene.advance(days=4)
    entries["new"] = 1
    entries["kept"] = 2
    scene.advance(days=4)
    assert dict(entries.items()) == {"new": 1, "kept": 2}


@clause("dicts/a-read-keeps-an-entry", GUIDE, needs=CLOCK)
def test_a_read_keeps_an_entry(scene: Scene) -> None:
    """An entry that is read lives for another seven days from then."""
    entries = scene.dict({"read": 1, "left": 1})
    for _ in range(3):
        scene.advance(days=5)
        assert entries["read"] == 1
    assert "left" not in entries


@clause(
    "dicts/a-count-keeps-no-entry",
    assumed("`len` counts and returns no entry; it is not assumed to be a read of all of them"),
    needs=CLOCK,
)
def test_a_count_keeps_no_entry(scene: Scene) -> None:
    """`len` is no read of the entries that it counts."""
    entries = scene.dict({"key": 1})
    scene.advance(days=5)
    assert entries.len() == 1
    scene.advance(days=5)
    assert entries.len() == 0


@clause(
    "dicts/a-refused-put-keeps-no-entry",
    assumed("a put that finds the key there writes nothing, and returns nothing of the entry"),
    needs=CLOCK,
)
def test_a_refused_put_keeps_no_entry(scene: Scene) -> None:
    """A lock that others only try to take is free after seven days."""
    entries = scene.dict({"lock": "first"})
    scene.advance(days=5)
    assert not entries.put("lock", "second", skip_if_exists=True)
    scene.advance(days=5)
    assert entries.put("lock", "third", skip_if_exists=True)
