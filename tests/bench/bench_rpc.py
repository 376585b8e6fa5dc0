"""One blocking call of the SDK, against the emulator and against a server of constant answers."""

from collections.abc import Iterator

import modal
import pytest
from constant import constant_server
from modal.client import Client
from modal_proto import api_pb2
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running, running

VOLUMES = 10
GROUP = f"blocking RPC (list {VOLUMES} volumes)"


def client_of(url: str, environment: dict[str, str]) -> Client:
    token = environment["MODAL_TOKEN_ID"], environment["MODAL_TOKEN_SECRET"]
    return Client(url, api_pb2.CLIENT_TYPE_CLIENT, token)


@pytest.fixture
def emulator() -> Iterator[Running]:
    with running() as emulator:
        yield emulator


@pytest.mark.benchmark(group=GROUP)
def bench_emulator(benchmark: BenchmarkFixture, emulator: Running) -> None:
    with client_of(emulator.environment["MODAL_SERVER_URL"], emulator.environment) as client:
        for number in range(VOLUMES):
            modal.Volume.objects.create(f"volume-{number}", client=client)
        listed = benchmark(lambda: modal.Volume.objects.list(client=client))
    assert len(listed) == VOLUMES


@pytest.mark.benchmark(group=GROUP)
def bench_peer_constant_reply_server(benchmark: BenchmarkFixture, emulator: Running) -> None:
    with constant_server(VOLUMES) as url, client_of(url, emulator.environment) as client:
        listed = benchmark(lambda: modal.Volume.objects.list(client=client))
    assert len(listed) == VOLUMES
