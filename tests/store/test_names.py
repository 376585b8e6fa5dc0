import json

import pytest

from modal_emulator.ground.errors import AlreadyExists, Invalid, NotFound
from modal_emulator.store.births import Births
from modal_emulator.store.names import EPHEMERAL_GRACE_S, Claim, Creation, Family, Names
from modal_emulator.store.naming import check_name

THING = "Thing"
MISSING, LOOKUP = Creation.CREATE_IF_MISSING, Creation.LOOKUP


@pytest.fixture
def forgotten():
    return []


@pytest.fixture
def store(store, forgotten):
    store.names.register(Family(THING, "tg", forget=forgotten.append))
    return store


def claim(store, name="x", creation=MISSING, environment="main", **more):
    return store.names.claim(THING, Claim(environment, name, creation, **more))


def test_a_missing_object_is_made_once(store):
    made, new = claim(store)
    assert (made.object_id[:3], new, made.created_by) == ("tg-", True, "me")
    assert claim(store) == (made, False)
    assert claim(store, creation=LOOKUP) == (made, False)
    assert store.names.get(THING, made.object_id) == made


def test_a_lookup_of_nothing_says_so_in_modals_words(store):
    with pytest.raises(NotFound) as caught:
        claim(store, creation=LOOKUP)
    assert caught.value.message == "Thing 'x' not found in environment 'main'"


def test_a_name_can_be_made_only_once_when_the_client_says_so(store):
    claim(store, creation=Creation.CREATE_FAIL_IF_EXISTS)
    with pytest.raises(AlreadyExists) as caught:
        claim(store, creation=Creation.CREATE_FAIL_IF_EXISTS)
    assert caught.value.message == "Thing 'x' already exists in environment 'main'"
    assert not claim(store, creation=Creation.CREATE_OVERWRITE_IF_EXISTS)[1]


def test_names_belong_to_their_environment_and_kind(store):
    store.names.register(Family("Other", "ot"))
    ids = {
        claim(store)[0].object_id,
        claim(store, environment="dev")[0].object_id,
        store.names.claim("Other", Claim("main", "x", MISSING))[0].object_id,
    }
    assert len(ids) == 3
    with pytest.raises(NotFound, match="No Other with ID"):
        store.names.get("Other", claim(store)[0].object_id)


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "x" * 64, "ap-123", "."])
def test_good_names(name):
    check_name(THING, name)


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "ü", "a\n", "ap-" + "a" * 22])
def test_bad_names_are_refused_in_modals_words(store, name):
    with pytest.raises(Invalid) as caught:
        claim(store, name)
    assert caught.value.message == (
        f"Invalid Thing name: '{name}'.\n\nNames may contain only alphanumeric characters, "
        "dashes, periods, and underscores, must be shorter than 64 characters, and cannot "
        "conflict with App ID strings."
    )


def test_an_unknown_id_says_so_in_modals_words(store):
    with pytest.raises(NotFound) as caught:
        store.names.get(THING, "tg-nothing")
    assert caught.value.message == "No Thing with ID 'tg-nothing' found"


def test_the_newest_come_first_and_pages_lose_nothing(store):
    for name in "abcde":
        claim(store, name)  # all in one instant of a clock that stands still
    claim(store, "", Creation.EPHEMERAL)
    claim(store, "f", environment="dev")
    listed = store.names.list(THING, "main")
    assert [named.name for named in listed] == list("edcba")
    page = store.names.list(THING, "main", limit=2)
    rest = store.names.list(THING, "main", created_before=page[-1].created_at)
    assert page + rest == listed


def test_a_renamed_object_keeps_its_id(store):
    made, _ = claim(store)
    renamed = store.names.rename(THING, made.object_id, "y")
    assert (renamed.object_id, renamed.name) == (made.object_id, "y")
    assert store.names.find(THING, "main", "x") is None
    assert store.names.rename(THING, made.object_id, "y") == renamed
    with pytest.raises(Invalid, match="Invalid Thing name"):
        store.names.rename(THING, made.object_id, "a b")
    other, _ = claim(store)
    assert other.object_id != made.object_id
    with pytest.raises(AlreadyExists, match="Thing 'y' already exists"):
        store.names.rename(THING, other.object_id, "y")


def test_an_object_made_again_under_its_name_is_another(store, forgotten):
    first, _ = claim(store)
    store.names.drop(THING, first.object_id)
    assert forgotten == [first.object_id]
    second, new = claim(store)
    assert new
    assert second.object_id != first.object_id
    with pytest.raises(NotFound, match="No Thing with ID"):
        store.names.get(THING, first.object_id)
    with pytest.raises(NotFound, match="No Thing with ID"):
        store.names.drop(THING, first.object_id)


def test_a_restart_finds_names_and_remembers_which_ids_are_gone(store):
    first, _ = claim(store)
    kept, _ = claim(store, "kept", version=2)
    store.names.drop(THING, first.object_id)
    store.reopen()
    store.names.register(Family(THING, "tg"))
    assert store.names.get(THING, kept.object_id) == kept
    assert claim(store, "kept", LOOKUP) == (kept, False)
    assert claim(store)[0].object_id != first.object_id
    assert store.names.list(THING, "main")[0].name == "x"


def test_an_id_follows_from_the_name(make_store):
    one, two = make_store("one"), make_store("two")
    for store in (one, two):
        store.names.register(Family(THING, "tg"))
    assert claim(one)[0].object_id == claim(two)[0].object_id
    assert claim(one, "", Creation.EPHEMERAL)[0].name == ""


# -------------------------------------------------------------------- ephemeral and anonymous


def test_an_ephemeral_object_lives_while_it_is_heard_of(store, forgotten):
    named, new = claim(store, "ignored", Creation.EPHEMERAL)
    assert (new, named.name, named.ephemeral) == (True, "", True)
    for _ in range(3):
        store.clock.at += EPHEMERAL_GRACE_S
        store.names.heartbeat(THING, named.object_id)
    store.names.sweep()
    assert not forgotten
    store.clock.at += EPHEMERAL_GRACE_S + 1
    with pytest.raises(NotFound):
        store.names.get(THING, named.object_id)
    with pytest.raises(NotFound):
        store.names.heartbeat(THING, named.object_id)
    store.names.sweep()
    assert forgotten == [named.object_id]


def test_a_claim_ends_what_nobody_is_heard_of(store, forgotten):
    named, _ = claim(store, creation=Creation.EPHEMERAL)
    store.clock.at += EPHEMERAL_GRACE_S + 1
    claim(store)
    assert forgotten == [named.object_id]


def test_a_named_object_needs_no_heartbeat(store):
    named, _ = claim(store)
    store.names.heartbeat(THING, named.object_id)
    store.clock.at += 10 * EPHEMERAL_GRACE_S
    store.names.sweep()
    assert store.names.get(THING, named.object_id) == named


def test_after_a_restart_ephemeral_objects_get_a_whole_grace(store):
    named, _ = claim(store, creation=Creation.EPHEMERAL)
    store.clock.at += EPHEMERAL_GRACE_S * 2
    store.reopen()
    assert store.names.get(THING, named.object_id) == named


def test_anonymous_objects_go_with_their_app(store, forgotten):
    mine, _ = claim(store, "ignored", Creation.ANONYMOUS, app_id="ap-1")
    other, _ = claim(store, "", Creation.ANONYMOUS, app_id="ap-2")
    named, _ = claim(store, "x", app_id="ap-1")
    store.names.drop_app("ap-1")
    store.names.drop_app("")
    assert forgotten == [mine.object_id]
    assert store.names.get(THING, other.object_id).app_id == "ap-2"
    assert store.names.get(THING, named.object_id).app_id == ""


# -------------------------------------------------------------------- environments


def test_objects_follow_their_environment(store, forgotten):
    made, _ = claim(store, environment="dev")
    nameless, _ = claim(store, "", Creation.ANONYMOUS, environment="dev")
    claim(store)
    store.names.move_environment("dev", "prod")
    assert store.names.find(THING, "prod", "x").object_id == made.object_id
    assert store.names.find(THING, "dev", "x") is None
    store.names.drop_environment("prod")
    assert forgotten == [made.object_id, nameless.object_id]
    assert store.names.find(THING, "main", "x") is not None


def test_what_has_no_name_cannot_be_renamed(store):
    made, _ = claim(store, creation=Creation.EPHEMERAL)
    with pytest.raises(Invalid, match="has no name to change"):
        store.names.rename(THING, made.object_id, "x")


# -------------------------------------------------------------------- failures


def fail(*_):
    raise RuntimeError("the disk is full")


def test_memory_follows_the_ledger_when_a_change_fails(store, monkeypatch):
    made, _ = claim(store)
    put = store.ledger.put
    for change in (
        lambda: claim(store, "new"),
        lambda: store.names.rename(THING, made.object_id, "y"),
        lambda: store.names.drop(THING, made.object_id),
    ):
        with pytest.raises(RuntimeError), store.ledger.transaction():
            change()
            fail()
        assert store.names.list(THING, "main") == (made,)
        assert store.names.get(THING, made.object_id) == made
        assert store.names.find(THING, "main", "x") == made
        assert [json.loads(value)["name"] for _, value in store.ledger.all("named")] == ["x"]
    assert store.ledger.put == put


def test_an_object_stays_if_its_room_cannot_forget_it(store):
    store.names.register(Family(THING, "tg", forget=fail))
    made, _ = claim(store)
    with pytest.raises(RuntimeError):
        store.names.drop(THING, made.object_id)
    assert store.names.get(THING, made.object_id) == made


# -------------------------------------------------------------------- births


@pytest.fixture
def worlds(make_store):
    births = Births()

    def next_world(name):
        store = make_store(name, births=births, on_disk=False)
        store.names.register(Family(THING, "tg"))
        return store

    return next_world


def test_an_id_of_an_earlier_world_brings_back_what_was_made_when_missing(worlds):
    old, _ = claim(worlds("one"), version=2)
    new = worlds("two").names.get(THING, old.object_id)
    assert (new.object_id, new.name, new.version) == (old.object_id, "x", 2)


def test_an_id_of_an_earlier_world_leads_to_the_object_that_has_its_name_now(worlds):
    first = worlds("one")
    first.names.drop(THING, claim(first)[0].object_id)
    minted, _ = claim(first)
    second = worlds("two")
    there, _ = claim(second)
    assert minted.object_id != there.object_id
    assert second.names.get(THING, minted.object_id) == there


def test_an_id_that_was_only_looked_up_is_missed_by_its_name(worlds):
    first = worlds("one")
    made, _ = claim(first, creation=Creation.CREATE_FAIL_IF_EXISTS)
    claim(first, creation=LOOKUP)
    with pytest.raises(NotFound) as caught:
        worlds("two").names.get(THING, made.object_id)
    assert caught.value.message == "Thing 'x' not found in environment 'main'"


def test_once_asked_for_when_missing_an_id_stays_so(worlds):
    first = worlds("one")
    made, _ = claim(first, version=2)
    claim(first, creation=LOOKUP)
    assert worlds("two").names.get(THING, made.object_id).version == 2


def test_ids_of_one_world_do_not_bring_back_what_was_deleted_there(worlds):
    store = worlds("one")
    made, _ = claim(store)
    store.names.drop(THING, made.object_id)
    with pytest.raises(NotFound, match="No Thing with ID"):
        store.names.get(THING, made.object_id)


def test_ephemeral_ids_do_not_outlive_their_world(worlds):
    made, _ = claim(worlds("one"), creation=Creation.EPHEMERAL)
    with pytest.raises(NotFound, match="No Thing with ID"):
        worlds("two").names.get(THING, made.object_id)


def test_an_id_is_not_taken_for_one_of_another_kind(worlds):
    made, _ = claim(worlds("one"))
    store = worlds("two")
    store.names.register(Family("Other", "ot"))
    with pytest.raises(NotFound, match="No Other with ID"):
        store.names.get("Other", made.object_id)


def test_names_without_births_know_this_world_only(store):
    names = Names(store.ledger, store.clock, store.ids)
    names.register(Family(THING, "tg"))
    with pytest.raises(NotFound, match="No Thing with ID"):
        names.get(THING, "tg-other")
