"""Commands in containers by the protocol of older SDKs, which newer ones have not lost."""

import modal
import pytest
from modal_proto import api_pb2


@pytest.fixture
def container_id(modal_emulator) -> str:
    """The container of a Sandbox that does nothing."""
    app = modal.App.lookup("boxes", create_if_missing=True)
    return modal.Sandbox.create("sleep", "infinity", app=app)._get_task_id()


def start(rpc, container_id: str, script: str, **options: object) -> str:
    command = ["sh", "-c", script]
    request = api_pb2.ContainerExecRequest(task_id=container_id, command=command, **options)
    return rpc("ContainerExec", request).exec_id


def test_output_comes_with_the_exit_code_at_its_end(rpc, container_id) -> None:
    exec_id = start(rpc, container_id, "printf '\u00e4%s' end; echo err >&2; exit 3")
    ask = api_pb2.ContainerExecGetOutputRequest(exec_id=exec_id, timeout=60, file_descriptor=1)
    empty, *batches, last = rpc("ContainerExecGetOutput", ask)
    assert empty.items[0].message_bytes == b""
    assert b"".join(i.message_bytes for b in batches for i in b.items) == "\u00e4end".encode()
    assert last.exit_code == 3
    ask.last_batch_index = batches[-1].batch_index
    assert len(rpc("ContainerExecGetOutput", ask)) == 2  # nothing but a beginning and an end
    ended = rpc("ContainerExecWait", api_pb2.ContainerExecWaitRequest(exec_id=exec_id))
    assert (ended.completed, ended.exit_code) == (True, 3)


def test_input_is_written_once(rpc, container_id) -> None:
    exec_id = start(rpc, container_id, "cat")
    for index, message, eof in ((1, b"a", False), (1, b"a", False), (2, b"b", True)):
        given = api_pb2.RuntimeInputMessage(message=message, message_index=index, eof=eof)
        rpc(
            "ContainerExecPutInput",
            api_pb2.ContainerExecPutInputRequest(exec_id=exec_id, input=given),
        )
    ask = api_pb2.ContainerExecGetOutputRequest(exec_id=exec_id, timeout=60, file_descriptor=1)
    batches = rpc("ContainerExecGetOutput", ask)
    assert b"".join(i.message_bytes for b in batches for i in b.items) == b"ab"


def test_what_cannot_be_answered(rpc, container_id) -> None:
    wait = api_pb2.ContainerExecWaitRequest(exec_id="ex-none")
    assert rpc.error("ContainerExecWait", wait)[0] == "NOT_FOUND"
    ends = api_pb2.ContainerExecRequest(
        task_id=container_id, command=["true"], terminate_container_on_exit=True
    )
    assert rpc.error("ContainerExec", ends)[0] == "UNIMPLEMENTED"
    none = api_pb2.ContainerExecRequest(task_id=container_id)
    assert rpc.error("ContainerExec", none)[0] == "INVALID_ARGUMENT"
