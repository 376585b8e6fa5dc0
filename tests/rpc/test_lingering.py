"""Waiting for Queues by the emulator's clock, which stands, jumps, or is the machine's."""

import asyncio
import inspect
import queue
import time

import modal
import pytest
from modal._utils import grpc_utils
from modal.client import Client
from modal_proto import api_pb2

from modal_emulator.emulator import running
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.handlers.queues import RPCS

NOON = 1_800_000_000.0


@pytest.fixture
def frozen(modal_emulator):
    """Stop the clock; return what tells how far it has gone since."""
    modal_emulator.ask(lambda world: world.clock.set(NOON))
    yield lambda: modal_emulator.ask(lambda world: world.clock.now()) - NOON
    modal_emulator.ask(lambda world: world.clock.resume())


@pytest.fixture
def line():
    return modal.Queue.from_name("q", create_if_missing=True)


@pytest.mark.parametrize("seconds", [0.001, 49.7, 60, 3600.5])
def test_a_wait_ends_at_once_where_the_clock_stands(line, frozen, seconds):
    with pytest.raises(queue.Empty):
        line.get(timeout=seconds)
    assert frozen() == pytest.approx(seconds, abs=1e-4)
    line.put(1)
    assert line.get(timeout=seconds) == 1
    assert frozen() == pytest.approx(seconds, abs=1e-4)


def test_who_does_not_wait_moves_no_clock(line, frozen):
    with pytest.raises(queue.Empty):
        line.get(timeout=0)
    assert line.get(block=False) is None
    line.put_many([1, 2])
    assert list(line.iterate()) == [1, 2]
    assert frozen() == 0


def test_an_iterator_gives_up_by_the_clock(line, frozen):
    line.put_many([1, 2])
    assert list(line.iterate(item_poll_timeout=100)) == [1, 2]
    assert frozen() == pytest.approx(100, abs=1e-4)


@pytest.mark.parametrize(
    "_runtime",
    [
        pytest.param("threads", marks=pytest.mark.modal(runtime="inline")),
        pytest.param("processes", marks=pytest.mark.modal(runtime="process")),
    ],
)
def test_a_container_waits_by_the_clock_too(line, frozen, _runtime):
    line.hydrate()
    app = modal.App()

    @app.function(serialized=True)
    def wait(line: modal.Queue, seconds: float) -> object:
        return line.get(timeout=seconds)

    with app.run():
        before = frozen()
        with pytest.raises(queue.Empty):
            wait.remote(line, 200)
        assert frozen() >= before + 200
        waiting = wait.spawn(line, 200)
        line.put("here")
        assert waiting.get() == "here"


def test_a_put_gives_up_by_the_clock(line, frozen):
    line.put_many(list(range(5000)))
    with pytest.raises(queue.Full):
        line.put(1, block=False)
    with pytest.raises(queue.Full):
        line.put(1, timeout=1)
    assert frozen() == 0
    with pytest.raises(queue.Full):
        line.put(1, timeout=600)
    assert frozen() == pytest.approx(600, abs=0.1)


@pytest.mark.parametrize("timeout", [None, 600])
def test_a_put_waits_for_room_by_the_clock(line, frozen, timeout):
    line.put_many(list(range(5000)), partition_ttl=100)
    line.put("room", timeout=timeout)
    assert line.get_many(5000) == ["room"]
    assert 100 <= frozen() < 160


def test_a_fast_clock_is_followed(line, modal_emulator):
    modal_emulator.ask(lambda world: world.clock.set(NOON, rate=10_000))
    with pytest.raises(queue.Empty):
        line.get(timeout=600)
    modal_emulator.ask(lambda world: world.clock.resume())


def test_what_loops_and_locks_wait_by_is_left_alone(modal_emulator, frozen):
    before = time.monotonic()
    assert time.time() == NOON
    assert before < time.monotonic() < before + 1000


@pytest.mark.skipif(
    "x-modal-timestamp" not in inspect.getsource(grpc_utils), reason="this SDK tells no time"
)
def test_by_the_wire_a_client_is_known_by_what_time_it_tells():
    with running(transport="wire") as emulator:
        token = emulator.environment["MODAL_TOKEN_ID"], emulator.environment["MODAL_TOKEN_SECRET"]
        with (
            Client(emulator.server_url, api_pb2.CLIENT_TYPE_CLIENT, token) as client,
            modal.Queue.ephemeral(client=client) as line,
        ):
            emulator.ask(lambda world: world.clock.set(NOON))
            with pytest.raises(queue.Empty):
                line.get(timeout=600)
            assert emulator.ask(lambda world: world.clock.now()) == pytest.approx(NOON + 600)


def test_a_container_that_keeps_the_machines_time_waits_by_that(modal_emulator, line, frozen):
    line.hydrate()

    async def ask(world):
        request = api_pb2.QueueGetRequest(queue_id=line.object_id, timeout=0.05)
        call = Call(request, container_id="ta-gone")
        waiting = asyncio.ensure_future(RPCS["QueueGet"].unary(world, call))
        await asyncio.sleep(0)
        assert world.settling.at_work() == []
        return await waiting

    world = modal_emulator.ask(lambda world: world)
    assert not modal_emulator._run(ask(world)).values
    line.put(1)
    assert len(modal_emulator._run(ask(world)).values) == 1
    assert frozen() == 0
