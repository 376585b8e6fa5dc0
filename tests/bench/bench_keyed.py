"""
Blocking calls on a Dict and a Queue, in memory and by the wire.

The floor is what the SDK's own way from a blocking function to a coroutine and back takes, with
the pickling of the key; what is above it is the call and what answers it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import modal
import pytest
from modal._serialization import serialize
from modal._utils.async_utils import synchronizer
from modal.client import Client
from modal_proto import api_pb2
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import running

ROUNDS, WARMING = 1000, 100
GET = "blocking Dict.get"
LOCK = "blocking Dict.put(skip_if_exists=True) on a key that is there"
LINE = "blocking Queue.put, then Queue.get"


@contextmanager
def connected(transport: str) -> Iterator[Client]:
    with running(transport=transport) as emulator:
        environment = emulator.environment
        token = environment["MODAL_TOKEN_ID"], environment["MODAL_TOKEN_SECRET"]
        with Client(emulator.server_url, api_pb2.CLIENT_TYPE_CLIENT, token) as client:
            yield client


def measure(benchmark: BenchmarkFixture, work: Callable[[], object]) -> None:
    benchmark.pedantic(work, rounds=ROUNDS, warmup_rounds=WARMING)


@pytest.mark.benchmark(group=GET)
def bench_peer_no_op_with_a_key(benchmark: BenchmarkFixture) -> None:
    async def nothing(key: str) -> bytes:
        return serialize(key)

    no_op = synchronizer.create_blocking(nothing)
    measure(benchmark, lambda: no_op("key"))


@pytest.mark.benchmark(group=GET)
@pytest.mark.parametrize("transport", ["memory", "wire"])
def bench_dict_get(benchmark: BenchmarkFixture, transport: str) -> None:
    with connected(transport) as client, modal.Dict.ephemeral(client=client) as entries:
        entries["key"] = "value"
        measure(benchmark, lambda: entries.get("key"))


@pytest.mark.benchmark(group=LOCK)
@pytest.mark.parametrize("transport", ["memory", "wire"])
def bench_dict_lock(benchmark: BenchmarkFixture, transport: str) -> None:
    with connected(transport) as client, modal.Dict.ephemeral(client=client) as entries:
        entries["key"] = "value"
        measure(benchmark, lambda: entries.put("key", "other", skip_if_exists=True))


@pytest.mark.benchmark(group=LINE)
@pytest.mark.parametrize("transport", ["memory", "wire"])
def bench_queue(benchmark: BenchmarkFixture, transport: str) -> None:
    with connected(transport) as client, modal.Queue.ephemeral(client=client) as line:

        def through() -> None:
            line.put("value")
            line.get()

        measure(benchmark, through)
