from fakes import ManualClock
from modal_emulator.ground.journal import Journal


def test_events_are_kept_in_order_with_their_instants():
    clock = ManualClock(5.0)
    journal = Journal(clock)
    journal.add("a", number=1)
    journal.add("b")
    assert [(e.kind, e.at) for e in journal.events()] == [("a", 5.0), ("b", 5.0)]
    assert dict(journal.events("a")[0].values) == {"number": 1}


def test_the_oldest_are_forgotten_beyond_the_bound():
    journal = Journal(ManualClock(), bound=2)
    for kind in "abc":
        journal.add(kind)
    assert [e.kind for e in journal.events()] == ["b", "c"]


def test_a_listener_hears_until_it_ends():
    journal, heard = Journal(ManualClock()), []
    end = journal.listen(lambda e: heard.append(e.kind))
    journal.add("a")
    end()
    journal.add("b")
    assert heard == ["a"]
