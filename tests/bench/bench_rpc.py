"""
Blocking calls of the SDK: in memory, by the wire, and against a server of constant answers.

The floor is what the SDK's own way from a blocking function to a coroutine and back takes.
"""

from collections.abc import Iterator

import modal
import pytest
from constant import constant_server
from modal._utils.async_utils import synchronizer
from modal.client import Client
from modal_proto import api_pb2
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running, running

VOLUMES = 10
ROUNDS, WARMING = 2000, 100
HELLO = "the smallest blocking call"
LIST = f"blocking RPC (list {VOLUMES} volumes)"


def client_of(url: str, environment: dict[str, str]) -> Client:
    token = environment["MODAL_TOKEN_ID"], environment["MODAL_TOKEN_SECRET"]
    return Client(url, api_pb2.CLIENT_TYPE_CLIENT, token)


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running(transport="wire") as emulator:
        yield emulator


@pytest.mark.benchmark(group=HELLO)
def bench_peer_no_op_through_the_wrapper(benchmark: BenchmarkFixture) -> None:
    async def nothing() -> None: ...

    no_op = synchronizer.create_blocking(nothing)
    benchmark.pedantic(no_op, rounds=ROUNDS, warmup_rounds=WARMING)


@pytest.mark.benchmark(group=HELLO)
def bench_peer_hello_constant_reply_server(benchmark: BenchmarkFixture, emulator: Running) -> None:
    with constant_server(VOLUMES) as url, client_of(url, emulator.environment) as client:
        benchmark.pedantic(client.hello, rounds=ROUNDS, warmup_rounds=WARMING)


@pytest.mark.benchmark(group=HELLO)
def bench_hello_in_memory(benchmark: BenchmarkFixture) -> None:
    _hello(benchmark, "memory")


@pytest.mark.benchmark(group=HELLO)
def bench_hello_by_wire(benchmark: BenchmarkFixture) -> None:
    _hello(benchmark, "wire")


@pytest.mark.benchmark(group=LIST)
def bench_emulator_in_memory(benchmark: BenchmarkFixture) -> None:
    _list(benchmark, "memory")


@pytest.mark.benchmark(group=LIST)
def bench_emulator_by_wire(benchmark: BenchmarkFixture) -> None:
    _list(benchmark, "wire")


@pytest.mark.benchmark(group=LIST)
def bench_peer_constant_reply_server(benchmark: BenchmarkFixture, emulator: Running) -> None:
    with constant_server(VOLUMES) as url, client_of(url, emulator.environment) as client:
        listed = benchmark(lambda: modal.Volume.objects.list(client=client))
    assert len(listed) == VOLUMES


def _hello(benchmark: BenchmarkFixture, transport: str) -> None:
    with running(transport=transport) as emulator:
        client = client_of(emulator.server_url, emulator.environment)
        with client:
            benchmark.pedantic(client.hello, rounds=ROUNDS, warmup_rounds=WARMING)


def _list(benchmark: BenchmarkFixture, transport: str) -> None:
    with running(transport=transport) as emulator:
        client = client_of(emulator.server_url, emulator.environment)
        with client:
            for number in range(VOLUMES):
                modal.Volume.objects.create(f"volume-{number}", client=client)
            listed = benchmark(lambda: modal.Volume.objects.list(client=client))
    assert len(listed) == VOLUMES
