"""Faults at RPCs, as any client meets them, in memory and by the wire."""

import modal
import pytest
from grpclib import GRPCError
from grpclib.exceptions import StreamTerminatedError
from modal_proto import api_pb2

from modal_emulator.emulator import Running, running
from modal_emulator.handles import FaultsHandle
from modal_emulator.pytest_plugin.session import Session
from modal_emulator.rpc.striking import _objects, _paths

IF_MISSING = api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
RETRYING = hasattr(api_pb2, "RPCRetryPolicy")


@pytest.fixture(params=["memory", "wire"])
def calls(rpc, request):
    return rpc.by_wire if request.param == "wire" else rpc


@pytest.fixture
def put(calls):
    """Puts one more value into a queue, and says how many there are."""
    made = api_pb2.QueueGetOrCreateRequest(deployment_name="q", object_creation_type=IF_MISSING)
    queue_id = calls("QueueGetOrCreate", made).queue_id
    count = api_pb2.QueueLenRequest(queue_id=queue_id, total=True)

    def ask(name: str = "QueuePut") -> int:
        if name == "QueuePut":
            calls(name, api_pb2.QueuePutRequest(queue_id=queue_id, values=[b"x"]))
        return calls("QueueLen", count).len

    return ask


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED"])
def test_an_error_has_the_status_and_the_words(
    calls, put, modal_faults: FaultsHandle, status: str
) -> None:
    modal_faults.error("QueuePut", status=status, message="no", queue="q")
    other = api_pb2.QueuePutRequest(queue_id="qu-other", values=[b"x"])
    assert calls.error("QueuePut", other)[0] == "NOT_FOUND"
    with pytest.raises(GRPCError) as caught:
        put()
    assert (caught.value.status.name, caught.value.message) == (status, "no")
    assert put() == 1


def test_an_error_may_come_after_the_thing_is_done(put, modal_faults: FaultsHandle) -> None:
    modal_faults.error("Queue*", status="INTERNAL", when="after", after=1)
    assert put("QueueLen") == 0
    with pytest.raises(GRPCError):
        put()
    assert put("QueueLen") == 1


@pytest.mark.parametrize(("when", "left"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_says_nothing_of_what_was_done(
    put, modal_faults: FaultsHandle, when: str, left: int
) -> None:
    modal_faults.drop("QueuePut", when=when)
    with pytest.raises(StreamTerminatedError):
        put()
    assert put("QueueLen") == left
    (struck,) = modal_faults.struck
    assert (struck.fault, struck.name, struck.moment) == ("drop", "QueuePut", when)
    assert struck.object_id.startswith("qu-") and struck.function == struck.container_id == ""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stream_breaks(calls, modal_faults: FaultsHandle, when: str) -> None:
    made = api_pb2.VolumeGetOrCreateRequest(
        deployment_name="v", object_creation_type=IF_MISSING, version=2
    )
    listing = api_pb2.VolumeListFiles2Request(
        volume_id=calls("VolumeGetOrCreate", made).volume_id, path="in"
    )
    modal_faults.drop("VolumeListFiles2", when=when, volume="v", path="in")
    error = StreamTerminatedError if when == "before" else GRPCError  # there is no such directory
    with pytest.raises(error):
        calls("VolumeListFiles2", listing)
    assert len(modal_faults.struck) == (when == "before")
    modal_faults.clear()
    modal_faults.error("VolumeListFiles2", status="ABORTED", when=when)
    assert calls.error("VolumeListFiles2", listing)[0] == {"before": "ABORTED"}.get(
        when, "NOT_FOUND"
    )
    modal_faults.clear()


@pytest.mark.modal(clock="2024-01-31T12:00:00Z")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_takes_time_of_the_emulator_only(
    put, modal_emulator: Running, modal_faults: FaultsHandle, when: str
) -> None:
    noon = modal_emulator.clock.timestamp()
    modal_faults.delay("QueuePut", seconds=3600, when=when)
    # Whoever waits for the answer waits for the clock, which therefore goes on.
    assert put() == 1
    assert modal_emulator.clock.timestamp() - noon == 3600


@pytest.mark.skipif(not RETRYING, reason="this SDK is not told when to try again")
@pytest.mark.parametrize("transport", ["memory", "wire"])
def test_the_sdk_is_told_when_to_try_again(transport: str) -> None:
    with running(transport=transport) as emulator:
        session = Session(emulator)
        with session.test():
            queue = modal.Queue.from_name("told", create_if_missing=True)
            queue.put("x")
            emulator.faults.error("QueuePut", status="RESOURCE_EXHAUSTED", retry_after=0.1, times=5)
            queue.put("y")  # more often than the SDK would try by itself
            assert queue.len() == 2 and emulator.faults.left == ()
        session.close()


def test_what_a_request_is_about_is_read_off_its_fields() -> None:
    named = api_pb2.SecretGetOrCreateRequest(deployment_name="s")
    assert dict(_objects("SecretGetOrCreate", named)) == {"secret": "s"}
    called = api_pb2.FunctionGetRequest(object_tag="add", app_name="a")
    assert dict(_objects("FunctionGet", called)) == {"called": "add"}
    files = [api_pb2.VolumePutFiles2Request.File(path="a"), {"path": "b"}]
    sent = api_pb2.VolumePutFiles2Request(volume_id="vo-1", files=files)
    assert dict(_objects("VolumePutFiles2", sent)) == {"volume": "vo-1"}
    assert list(_paths(sent)) == ["a", "b"]
    old = api_pb2.VolumePutFilesRequest(files=[api_pb2.MountFile(filename="c")])
    assert list(_paths(old)) == ["c"]
    update = api_pb2.DictUpdateRequest(updates=[api_pb2.DictEntry(key=b"k")])
    assert list(_paths(update)) == ["b'k'"]
    assert list(_paths(api_pb2.DictGetRequest(key=b"k"))) == ["b'k'"]
    assert list(_paths(api_pb2.QueueGetRequest(partition_key=b"p"))) == ["b'p'"]
    copy = api_pb2.VolumeCopyFiles2Request(src_paths=["a", "b"], dst_path="c")
    assert list(_paths(copy)) == ["a", "b", "c"]
