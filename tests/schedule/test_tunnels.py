"""Which tunnels there are, and when each ends; no bytes go through these."""

import asyncio

import pytest

from modal_emulator.ground.errors import AlreadyExists, Invalid, NotFound, Unavailable
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.schedule.tunnels import Ear, Tunnels


class FakeRelay:
    """Counts what is open."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()
        self._count = 0

    async def secure(self, host: str, port: int, *, offers_h2: bool) -> Ear:
        await self.gate.wait()
        self._count += 1
        number = self._count
        self.open.add(number)
        return Ear("127.0.0.1", number, lambda: self.open.discard(number))

    async def plain(self, host: str, port: int) -> Ear:
        if self.fails:
            raise Unavailable("no port is left")
        return await self.secure(host, port, offers_h2=False)


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
def tunnels(relay: FakeRelay) -> Tunnels:
    tunnels = Tunnels(relay, Journal(VirtualClock()))
    tunnels.began("ta-1")
    return tunnels


def test_a_port_has_one_tunnel_until_it_is_stopped(tunnels: Tunnels, relay: FakeRelay) -> None:
    async def story() -> None:
        tunnel = await tunnels.start("ta-1", "127.0.0.1", 80, with_plain=True)
        with pytest.raises(AlreadyExists, match="Port 80 is already forwarded"):
            await tunnels.start("ta-1", "127.0.0.1", 80)
        assert tunnels.of("ta-1") == (tunnel,)
        assert len(relay.open) == 2
        assert tunnels.stop("ta-1", 80) is True
        assert tunnels.stop("ta-1", 80) is False
        assert relay.open == set()
        await tunnels.start("ta-1", "127.0.0.1", 80)

    asyncio.run(story())


def test_containers_do_not_share_ports(tunnels: Tunnels, relay: FakeRelay) -> None:
    async def story() -> None:
        tunnels.began("ta-2")
        await tunnels.start("ta-1", "127.0.0.1", 80)
        await tunnels.start("ta-2", "127.0.0.1", 80)
        tunnels.ended("ta-1")
        assert len(relay.open) == 1
        tunnels.close()
        assert relay.open == set()

    asyncio.run(story())


def test_a_container_that_ended_has_none(tunnels: Tunnels, relay: FakeRelay) -> None:
    async def story() -> None:
        relay.gate.clear()
        opening = asyncio.ensure_future(tunnels.start("ta-1", "127.0.0.1", 80))
        await asyncio.sleep(0)
        tunnels.ended("ta-1")
        relay.gate.set()
        with pytest.raises(NotFound):
            await opening
        with pytest.raises(NotFound):
            await tunnels.start("ta-1", "127.0.0.1", 80)
        assert (tunnels.of("ta-1"), relay.open) == ((), set())

    asyncio.run(story())


def test_what_cannot_be_opened_whole_is_not_open(tunnels: Tunnels, relay: FakeRelay) -> None:
    async def story() -> None:
        relay.fails = True
        with pytest.raises(Unavailable):
            await tunnels.start("ta-1", "127.0.0.1", 80, with_plain=True)
        assert (tunnels.of("ta-1"), relay.open) == ((), set())
        await tunnels.start("ta-1", "127.0.0.1", 80)

    asyncio.run(story())


@pytest.mark.parametrize("port", [0, 65536])
def test_there_is_no_such_port(tunnels: Tunnels, port: int) -> None:
    with pytest.raises(Invalid, match=f"Invalid port number {port}"):
        asyncio.run(tunnels.start("ta-1", "127.0.0.1", port))
