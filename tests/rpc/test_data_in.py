"""What a running call is given, as the SDK in its container reads it."""

import inspect
from collections.abc import AsyncIterator, Iterator

import modal
import pytest
from modal_proto import api_pb2

pytestmark = pytest.mark.slow

app = modal.App("reading")


@app.function()
def read(most: int) -> Iterator[object]:
    from modal._utils.async_utils import synchronizer
    from modal._utils.function_utils import _stream_function_call_data
    from modal.client import _Client

    async def reading(call_id: str) -> AsyncIterator[object]:
        known = inspect.signature(_stream_function_call_data).parameters
        asked = {"client": await _Client.from_env(), "function_call_id": call_id, "stub": None}
        asked = {name: value for name, value in asked.items() if name in known}
        async for message in _stream_function_call_data(**asked, variant="data_in"):
            yield message

    yield "reading"
    read = synchronizer.create_blocking(reading)(modal.current_function_call_id())
    for _ in range(most):
        yield next(read)
    read.close()


@pytest.mark.parametrize(
    "modal_emulator",
    [{"runtime": "process"}, {"runtime": "inline"}],
    ids=["process", "inline"],
    indirect=True,
)
def test_what_a_call_is_given_arrives_in_order_while_it_runs(modal_emulator):
    def give(*messages: bytes) -> None:
        def giving(world):
            (call,) = world.calls.of_function(read.object_id)
            chunks = [
                api_pb2.DataChunk(
                    data_format=api_pb2.DATA_FORMAT_ASGI,
                    data=api_pb2.Asgi(
                        http_request=api_pb2.Asgi.HttpRequest(body=body, more_body=True)
                    ).SerializeToString(),
                    index=len(call.given) + number,
                ).SerializeToString()
                for number, body in enumerate(messages, 1)
            ]
            world.calls.give(call, chunks)

        modal_emulator.ask(giving)

    with app.run():
        given = read.remote_gen(4)
        assert next(given) == "reading"
        for bodies in ((b"1",), (b"2", b"3"), (b"4",)):
            give(*bodies)
            assert [next(given)["body"] for _ in bodies] == list(bodies)
        assert list(given) == []
        assert modal_emulator.ask(lambda w: w.calls.of_function(read.object_id)[0].given) == []


def test_a_client_is_not_told_what_a_call_was_given(rpc):
    request = api_pb2.FunctionCallGetDataRequest(function_call_id="fc-1")
    assert rpc.error("FunctionCallGetDataIn", request)[0] == "FAILED_PRECONDITION"
