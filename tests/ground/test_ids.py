import re

from modal_emulator.ground.ids import Ids


def test_minted_ids_have_modals_shape_and_differ():
    ids = Ids()
    made = {ids.mint("vo") for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"vo-[A-Za-z0-9]{22}", i) for i in made)


def test_a_seed_makes_them_repeatable():
    assert Ids(seed=7).mint("vo") == Ids(seed=7).mint("vo") != Ids(seed=8).mint("vo")
    assert Ids(seed="a").ordered("ta", 1.0) == Ids(seed="a").ordered("ta", 1.0)


def test_what_is_made_beside_changes_no_id():
    alone, busy = Ids(seed=7), Ids(seed=7)
    busy.mint("bl")
    assert alone.mint("vo") == busy.mint("vo")
    assert alone.mint("vo") == busy.mint("vo")
    busy.sow(7)
    assert busy.mint("vo") == Ids(seed=7).mint("vo")


def test_no_seed_tells_a_secret():
    assert Ids(seed=7).secret() != Ids(seed=7).secret()


def test_ordered_ids_sort_by_instant_in_the_shape_the_sdk_knows_tasks_by():
    ids = Ids(seed=1)
    early, late = ids.ordered("ta", 1000.0), ids.ordered("ta", 1000.001)
    assert early < late
    assert re.fullmatch(r"ta-[0-9A-Z]{26}", early)


def test_stable_ids_follow_from_the_words_and_the_salt():
    ids = Ids(salt="a")
    assert ids.stable("vo", "main", "x") == ids.stable("vo", "main", "x")
    assert ids.stable("vo", "main", "x") != ids.stable("vo", "dev", "x")
    assert ids.stable("vo", "a", "bc") != ids.stable("vo", "ab", "c")
    assert ids.stable("vo", "main", "x") != Ids(salt="b").stable("vo", "main", "x")
    assert re.fullmatch(r"vo-[A-Za-z0-9]{22}", ids.stable("vo", "x"))
