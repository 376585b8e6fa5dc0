import pytest

from modal_emulator.ground.errors import AlreadyExists, Invalid, NotFound
from modal_emulator.store.births import Births
from modal_emulator.store.names import Creation

MISSING = Creation.CREATE_IF_MISSING
HIDDEN = "hunter2-is-not-to-be-seen"


def make(store, values=None, name="s", creation=MISSING, **more):
    values = {"A": HIDDEN} if values is None else values
    return store.secrets.get_or_create(name, "", creation, values, **more)


def values(store, *secrets):
    return store.secrets.environment([secret.secret_id for secret in secrets])


def test_a_secret_is_made_and_its_values_go_to_containers_only(store):
    secret = make(store, {"A": "1", "B": "zwei"})
    assert (secret.name, secret.environment, secret.keys) == ("s", "main", ("A", "B"))
    assert secret.secret_id.startswith("st-")
    assert values(store, secret) == {"A": "1", "B": "zwei"}


def test_no_value_is_seen_anywhere_else(store):
    secret = make(store)
    make(store, {"A": HIDDEN + "x"}, creation=Creation.CREATE_OVERWRITE_IF_EXISTS)
    store.secrets.update(secret.secret_id, {"B": HIDDEN})
    values(store, secret)
    seen = [secret, store.secrets.get(secret.secret_id), store.secrets.list("")]
    seen.extend(store.journal.events())
    assert HIDDEN not in repr(seen)
    assert HIDDEN not in repr(store.secrets._held(secret.secret_id))
    with pytest.raises(Invalid) as caught:
        store.secrets.update(secret.secret_id, {"B": HIDDEN + "\0"})
    assert HIDDEN not in str(caught.value)


def test_a_missing_secret_is_told_in_modals_words(store):
    with pytest.raises(NotFound) as caught:
        make(store, name="missing secret", creation=Creation.LOOKUP)
    assert caught.value.message == (
        "Secret 'missing secret' not found in environment 'main'. You can create it here: "
        "https://modal.com/secrets/acme/main/create?secret_name=missing%20secret"
    )


def test_an_existing_secret_is_told_in_modals_words(store):
    make(store)
    with pytest.raises(AlreadyExists) as caught:
        make(store, creation=Creation.CREATE_FAIL_IF_EXISTS)
    assert caught.value.message == "Secret 's' already exists in environment 'main'"


def test_an_unknown_id_is_told_in_modals_words(store):
    with pytest.raises(NotFound) as caught:
        store.secrets.get("st-test-123")
    assert caught.value.message == "No Secret with ID 'st-test-123' found"
    with pytest.raises(NotFound):
        store.secrets.environment(["st-test-123"])


def test_missing_keys_are_told_in_modals_words(store):
    make(store)
    lookup = Creation.LOOKUP
    assert make(store, {}, creation=lookup, required_keys=["A"]).keys == ("A",)
    with pytest.raises(NotFound) as caught:
        make(store, {}, creation=lookup, required_keys=["missing-key"])
    assert caught.value.message == "Secret is missing key(s): missing-key"
    with pytest.raises(NotFound, match=r"missing key\(s\): X, Y"):
        make(store, {}, creation=lookup, required_keys=["X", "A", "Y"])


def test_made_if_missing_keeps_the_old_values_silently(store):
    make(store, {"A": "old"})
    assert values(store, make(store, {"A": "new", "B": "1"})) == {"A": "old"}


def test_overwriting_replaces_all_and_keeps_the_id(store):
    first = make(store, {"A": "old", "B": "1"})
    second = make(store, {"A": "new"}, creation=Creation.CREATE_OVERWRITE_IF_EXISTS)
    assert second.secret_id == first.secret_id
    assert values(store, first) == {"A": "new"}


def test_an_update_merges_and_none_takes_a_key_away(store):
    secret = make(store, {"A": "1", "B": "2"})
    updated = store.secrets.update(secret.secret_id, {"B": "zwei", "C": "3", "A": None, "Z": None})
    assert updated.keys == ("B", "C")
    assert values(store, secret) == {"B": "zwei", "C": "3"}


def test_the_later_secret_wins_and_an_update_keeps_the_time_of_use(store):
    one, two = make(store, {"A": "1", "B": "1"}), make(store, {"B": "2"}, name="t")
    assert one.last_used_at is None
    assert values(store, one, two) == {"A": "1", "B": "2"}
    assert values(store, two, one) == {"A": "1", "B": "1"}
    assert store.secrets.get(one.secret_id).last_used_at == store.clock.at
    assert store.secrets.update(one.secret_id, {"C": ""}).last_used_at == store.clock.at
    assert store.secrets.environment([]) == {}


@pytest.mark.parametrize(
    "key", ["", "1KEY", "with-dash", "with space", "with.dot", "ü", "A=B", "A\n", "A\0"]
)
def test_keys_that_no_environment_can_have_are_refused(store, key):
    with pytest.raises(Invalid, match="is invalid for environment variables"):
        make(store, {key: "1"})
    with pytest.raises(NotFound):
        make(store, {}, creation=Creation.LOOKUP)  # nothing was made


def test_keys_and_values_have_bounds(store):
    make(store, {"_" * 16_384: "v" * 32_768})
    with pytest.raises(Invalid, match="longer than 16384 characters"):
        make(store, {"K" * 16_385: "1"}, name="t")
    with pytest.raises(Invalid, match="The value of 'K' is longer than 32768 characters"):
        make(store, {"K": "v" * 32_769}, name="t")
    with pytest.raises(Invalid, match="The value of 'K' contains a NUL"):
        make(store, {"K": "\0"}, name="t")


def test_secrets_are_listed_newest_first(store):
    for name in "abc":
        make(store, name=name)
    make(store, name="", creation=Creation.EPHEMERAL)
    listed = store.secrets.list("")
    assert [secret.name for secret in listed] == ["c", "b", "a"]
    assert store.secrets.list("main", limit=1) == listed[:1]
    assert store.secrets.list("", created_before=listed[0].created_at) == listed[1:]


def test_a_deleted_secret_leaves_no_value_behind(store):
    secret = make(store)
    store.secrets.delete(secret.secret_id)
    with pytest.raises(NotFound):
        values(store, secret)
    assert not list(store.ledger.all("Secret"))


def test_secrets_of_an_app_go_with_it(store):
    secret = make(store, name="", creation=Creation.ANONYMOUS, app_id="ap-1")
    assert values(store, secret) == {"A": HIDDEN}
    store.names.drop_app("ap-1")
    with pytest.raises(NotFound):
        store.secrets.get(secret.secret_id)


def test_a_restart_finds_secrets_again(store):
    secret = make(store)
    values(store, secret)
    before = store.secrets.get(secret.secret_id)
    store.reopen()
    assert store.secrets.get(secret.secret_id) == before
    assert values(store, secret) == {"A": HIDDEN}


def test_a_secret_that_an_old_id_brings_back_is_empty(make_store):
    births = Births()
    old = make(make_store("one", births=births, on_disk=False))
    new = make_store("two", births=births, on_disk=False).secrets.get(old.secret_id)
    assert (new.name, new.keys) == ("s", ())
