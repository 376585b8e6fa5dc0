import json

import modal
import pytest
from modal_proto import api_pb2

HINT = "You can create it here: https://modal.com/secrets/"
MANAGED = hasattr(modal.Secret, "objects")
TELLS_KEYS = hasattr(api_pb2, "SecretGetInfoRequest")
VALUE = "a-very-secret-value"

managed = pytest.mark.skipif(not MANAGED, reason="this SDK has no Secret.objects")
tells_keys = pytest.mark.skipif(not TELLS_KEYS, reason="this SDK knows no keys of a Secret")


def create(rpc, name="s", values=None, creation=None, **more):
    request = api_pb2.SecretGetOrCreateRequest(
        deployment_name=name,
        env_dict={"KEY": VALUE} if values is None else values,
        object_creation_type=creation or api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS,
        **more,
    )
    return rpc("SecretGetOrCreate", request).secret_id


def lookup(name="s", **more):
    return api_pb2.SecretGetOrCreateRequest(deployment_name=name, **more)


def labels(rpc, **more):
    return [i.label for i in rpc("SecretList", api_pb2.SecretListRequest(**more)).items]


def test_a_secret_is_made_found_listed_and_deleted(rpc):
    secret_id = create(rpc)
    assert secret_id.startswith("st-")
    assert rpc("SecretGetOrCreate", lookup()).secret_id == secret_id
    (item,) = rpc("SecretList", api_pb2.SecretListRequest()).items
    assert (item.label, item.secret_id, item.environment_name) == ("s", secret_id, "main")
    assert item.created_at > 0 and item.last_used_at == 0
    rpc("SecretDelete", api_pb2.SecretDeleteRequest(secret_id=secret_id))
    assert labels(rpc) == []
    assert rpc.error("SecretGetOrCreate", lookup())[0] == "NOT_FOUND"


def test_a_missing_secret_is_said_so_in_modals_words(rpc):
    status, text = rpc.error("SecretGetOrCreate", lookup("missing-secret"))
    assert status == "NOT_FOUND"
    assert text.startswith(f"Secret 'missing-secret' not found in environment 'main'. {HINT}")
    assert text.endswith("/main/create?secret_name=missing-secret")


def test_an_existing_secret_is_said_so_in_modals_words(rpc):
    create(rpc)
    again = lookup(
        object_creation_type=api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS,
        env_dict={"OTHER": "x"},
    )
    assert rpc.error("SecretGetOrCreate", again) == (
        "ALREADY_EXISTS",
        "Secret 's' already exists in environment 'main'",
    )


def test_required_keys_are_checked(rpc):
    create(rpc, values={"A": "1", "B": "2"})
    assert rpc("SecretGetOrCreate", lookup(required_keys=["A", "B"]))
    status, text = rpc.error("SecretGetOrCreate", lookup(required_keys=["A", "missing-key"]))
    assert (status, text) == ("NOT_FOUND", "Secret is missing key(s): missing-key")


@tells_keys
def test_creating_if_missing_keeps_what_is_there(rpc):
    create(rpc, values={"OLD": "1"})
    create(rpc, values={"NEW": "1"}, creation=api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING)
    assert list(rpc("SecretGetOrCreate", lookup()).metadata.keys) == ["OLD"]


@tells_keys
def test_overwriting_replaces_the_whole_secret(rpc):
    overwrite = api_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS
    secret_id = create(rpc, values={"OLD": "1"})
    assert create(rpc, values={"NEW": "1"}, creation=overwrite) == secret_id
    assert list(rpc("SecretGetOrCreate", lookup()).metadata.keys) == ["NEW"]


@tells_keys
def test_metadata_says_everything_but_the_values(rpc):
    secret_id = create(rpc, values={"B": VALUE, "A": VALUE})
    metadata = rpc("SecretGetInfo", api_pb2.SecretGetInfoRequest(secret_id=secret_id)).metadata
    assert (metadata.name, metadata.environment_name) == ("s", "main")
    assert sorted(metadata.keys) == ["A", "B"]
    assert metadata.creation_info.created_at > 0
    assert not metadata.last_used_at


@tells_keys
def test_updates_merge(rpc):
    secret_id = create(rpc, values={"A": "1", "B": "2"})
    update = api_pb2.SecretUpdateRequest.Update
    rpc(
        "SecretUpdate",
        api_pb2.SecretUpdateRequest(
            secret_id=secret_id,
            updates=[update(key="C", value="3"), update(key="A")],
        ),
    )
    assert sorted(rpc("SecretGetOrCreate", lookup()).metadata.keys) == ["B", "C"]


@managed
def test_a_listing_comes_in_pages_newest_first(rpc):
    for number in range(5):
        create(rpc, f"s{number}")
    pages, before = [], 0.0
    while True:
        pagination = api_pb2.ListPagination(max_objects=2, created_before=before)
        items = rpc("SecretList", api_pb2.SecretListRequest(pagination=pagination)).items
        pages.append([item.label for item in items])
        if len(items) < 2:
            break
        before = items[-1].metadata.creation_info.created_at
    assert pages == [["s4", "s3"], ["s2", "s1"], ["s0"]]


def test_secrets_without_names_are_not_listed(rpc):
    for creation in (
        api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL,
        api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
    ):
        assert create(rpc, "", creation=creation).startswith("st-")
    assert labels(rpc) == []


def test_each_environment_has_its_own(rpc):
    rpc("EnvironmentCreate", api_pb2.EnvironmentCreateRequest(name="dev"))
    here, there = create(rpc), create(rpc, environment_name="dev")
    assert here != there
    assert rpc("SecretGetOrCreate", lookup(environment_name="dev")).secret_id == there
    listed = rpc("SecretList", api_pb2.SecretListRequest(environment_name="dev"))
    assert [i.secret_id for i in listed.items] == [there]
    assert listed.environment_name == "dev"


@tells_keys
def test_unknown_ids_are_said_so_in_modals_words(rpc):
    for name, request in [
        ("SecretGetInfo", api_pb2.SecretGetInfoRequest(secret_id="st-test-123")),
        ("SecretUpdate", api_pb2.SecretUpdateRequest(secret_id="st-test-123")),
        ("SecretDelete", api_pb2.SecretDeleteRequest(secret_id="st-test-123")),
    ]:
        assert rpc.error(name, request) == ("NOT_FOUND", "No Secret with ID 'st-test-123' found")


@pytest.mark.parametrize("key", ["1KEY", "with-dash", "with space", "with.dot", "", "A=B"])
def test_keys_that_no_environment_can_hold_are_refused(rpc, key):
    bad = lookup(
        object_creation_type=api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS,
        env_dict={key: VALUE},
    )
    status, text = rpc.error("SecretGetOrCreate", bad)
    assert status == "INVALID_ARGUMENT"
    assert "is invalid for environment variables" in text
    assert VALUE not in text
    assert labels(rpc) == []


def test_values_leave_by_no_reply_and_no_error(rpc):
    replies = [
        str(rpc("SecretGetOrCreate", lookup("s", env_dict={"K": VALUE}, **more)))
        for more in (
            {"object_creation_type": api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING},
            {},
        )
    ]
    replies.append(str(rpc("SecretList", api_pb2.SecretListRequest())))
    for more in (
        {"object_creation_type": api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS},
        {"required_keys": ["MISSING"]},
        {"object_creation_type": 77},
    ):
        replies.append(
            rpc.error("SecretGetOrCreate", lookup("s", env_dict={"K": VALUE}, **more))[1]
        )
    long = VALUE * 2000
    bad = lookup("t", env_dict={"K": long}, object_creation_type=1)
    replies.append(rpc.error("SecretGetOrCreate", bad)[1])
    assert all(VALUE not in reply for reply in replies)


@managed
def test_the_sdk_makes_lists_updates_and_deletes(modal_emulator):
    modal.Secret.objects.create("one", {"A": "1"})
    modal.Secret.objects.create("one", {"B": "2"}, allow_existing=True)
    with pytest.raises(modal.exception.AlreadyExistsError):
        modal.Secret.objects.create("one", {"B": "2"})
    modal.Secret.objects.create("two", {"A": "1"})
    assert [s.name for s in modal.Secret.objects.list()] == ["two", "one"]
    assert [s.name for s in modal.Secret.objects.list(max_objects=1)] == ["two"]
    modal.Secret.objects.delete("two")
    modal.Secret.objects.delete("two", allow_missing=True)
    with pytest.raises(modal.exception.NotFoundError, match="Secret 'two' not found"):
        modal.Secret.objects.delete("two")
    assert [s.name for s in modal.Secret.objects.list()] == ["one"]


@tells_keys
def test_the_sdk_updates_and_describes(modal_emulator):
    modal.Secret.objects.create("one", {"A": "1"})
    secret = modal.Secret.from_name("one", required_keys=["A"])
    secret.update({"B": "2"})
    modal.Secret.from_name("one", required_keys=["A", "B"]).hydrate()
    info = secret.info(refresh=True)
    assert (info.name, info.environment_name, info.last_used) == ("one", "main", None)


def test_the_sdk_says_which_key_is_missing(modal_emulator, rpc):
    create(rpc, values={"A": "1"})
    with pytest.raises(modal.exception.NotFoundError, match=r"Secret is missing key\(s\): B"):
        modal.Secret.from_name("s", required_keys=["B"]).hydrate()


@pytest.mark.slow
def test_the_command_makes_lists_and_deletes(modal_command, tmp_path):
    made = modal_command("secret", "create", "one", f"KEY={VALUE}", "OTHER=2").text
    assert "Created a new secret 'one' with the keys 'KEY', 'OTHER'" in made
    again = modal_command("secret", "create", "one", "A=1", fails=True).text
    assert "Secret 'one' already exists in environment 'main'" in again
    modal_command("secret", "create", "--force", "one", "A=1")
    listed = modal_command("secret", "list").text
    for word in ("Name", "Created at", "Last used at", "one", "-"):
        assert word in listed
    assert json.loads(modal_command("secret", "list", "--json").text)
    assert VALUE not in made + again + listed
    if MANAGED:
        (tmp_path / "values.json").write_text(json.dumps({"FROM": "json"}))
        modal_command("secret", "create", "two", "--from-json", "values.json")
        modal_command("secret", "delete", "two", "--yes")
        gone = modal_command("secret", "delete", "two", "--yes", fails=True).text
        assert f"Secret 'two' not found in environment 'main'. {HINT}" in gone
        modal_command("secret", "delete", "two", "--yes", "--allow-missing")
