"""Dicts by the RPCs that clients send, old ones and such as no SDK sends."""

import pytest
from modal_proto import api_pb2

MANAGED = hasattr(api_pb2, "DictMetadata")
managed = pytest.mark.skipif(not MANAGED, reason="this SDK has no Dict.objects")

EPHEMERAL = api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
IF_MISSING = api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING


def create(rpc, name="d", data=(), creation=IF_MISSING, **more):
    entries = [api_pb2.DictEntry(key=key, value=value) for key, value in data]
    request = api_pb2.DictGetOrCreateRequest(
        deployment_name=name, object_creation_type=creation, data=entries, **more
    )
    return rpc("DictGetOrCreate", request).dict_id


def contents(rpc, dict_id, keys=True, values=True):
    request = api_pb2.DictContentsRequest(dict_id=dict_id, keys=keys, values=values)
    return sorted((entry.key, entry.value) for entry in rpc("DictContents", request))


def test_a_new_dict_may_begin_with_entries(rpc):
    dict_id = create(rpc, data=[(b"a", b"1"), (b"b", b"")])
    assert contents(rpc, dict_id) == [(b"a", b"1"), (b"b", b"")]
    assert contents(rpc, dict_id, keys=False) == [(b"", b""), (b"", b"1")]
    assert contents(rpc, dict_id, values=False) == [(b"a", b""), (b"b", b"")]
    assert create(rpc, data=[(b"a", b"2")]) == dict_id
    assert contents(rpc, dict_id) == [(b"a", b"1"), (b"b", b"")]


def test_an_empty_value_is_found(rpc):
    dict_id = create(rpc, data=[(b"", b"")])
    found = rpc("DictGet", api_pb2.DictGetRequest(dict_id=dict_id, key=b""))
    assert found.found and found.HasField("value") and found.value == b""
    missing = rpc("DictGet", api_pb2.DictGetRequest(dict_id=dict_id, key=b"other"))
    assert not missing.found and not missing.HasField("value")
    popped = rpc("DictPop", api_pb2.DictPopRequest(dict_id=dict_id, key=b""))
    assert popped.found and popped.HasField("value")
    assert not rpc("DictPop", api_pb2.DictPopRequest(dict_id=dict_id, key=b"")).found


def test_unknown_ids_are_said_so_in_modals_words(rpc):
    for name in ("Get", "Contains", "Pop", "Update", "Len", "Clear", "Contents", "Delete"):
        request = getattr(api_pb2, f"Dict{name}Request")(dict_id="di-none")
        assert rpc.error(f"Dict{name}", request) == ("NOT_FOUND", "No Dict with ID 'di-none' found")
    request = api_pb2.DictHeartbeatRequest(dict_id="di-none")
    assert rpc.error("DictHeartbeat", request)[0] == "NOT_FOUND"


@managed
def test_a_listing_comes_in_pages_newest_first(rpc):
    for number in range(5):
        create(rpc, f"d{number}")
    create(rpc, "", creation=EPHEMERAL)
    pages, before = [], 0.0
    while True:
        pagination = api_pb2.ListPagination(max_objects=2, created_before=before)
        found = rpc("DictList", api_pb2.DictListRequest(pagination=pagination)).dicts
        pages.append([each.name for each in found])
        if len(found) < 2:
            break
        before = found[-1].metadata.creation_info.created_at
    assert pages == [["d4", "d3"], ["d2", "d1"], ["d0"]]


def test_each_environment_has_its_own(rpc):
    rpc("EnvironmentCreate", api_pb2.EnvironmentCreateRequest(name="dev"))
    here, there = create(rpc), create(rpc, data=[(b"a", b"1")], environment_name="dev")
    assert here != there
    assert (contents(rpc, here), contents(rpc, there)) == ([], [(b"a", b"1")])
    listed = rpc("DictList", api_pb2.DictListRequest(environment_name="dev"))
    assert [each.name for each in listed.dicts] == ["d"]


def test_ephemeral_ones_live_by_heartbeats(rpc):
    dict_id = create(rpc, "", creation=EPHEMERAL)
    rpc("DictHeartbeat", api_pb2.DictHeartbeatRequest(dict_id=dict_id))
    assert dict_id != create(rpc, "", creation=EPHEMERAL)
