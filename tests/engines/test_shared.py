"""Several emulators that share one Redis."""

import asyncio
import sys

import pytest

from engines.kept import Fake, Kept, Real
from modal_emulator.engines.choice import open_engines
from modal_emulator.engines.redis import connect, shared
from modal_emulator.engines.redis_link import PREFIX
from modal_emulator.ground.errors import Invalid, NotFound, Unavailable
from modal_emulator.store.names import Creation
from modal_emulator.world import Settings

MISSING, LOOKUP = Creation.CREATE_IF_MISSING, Creation.LOOKUP


@pytest.fixture(params=["fakeredis", "redis-server"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "fakeredis":
        return Fake()
    return Real(request.getfixturevalue("redis_url"))


def test_names_ids_and_contents_are_those_of_all(kept: Kept) -> None:
    async def share() -> None:
        async with kept.open("one") as one, kept.open("two") as two:
            named, _ = await one.dicts.claim("d", "", MISSING)
            assert await two.dicts.claim("d", "", LOOKUP) == (named, False)
            await one.dict_engine.update(named.object_id, [(b"k", b"v")], if_absent=True)
            assert await two.dict_engine.get(named.object_id, b"k") == b"v"
            await two.dicts.delete(named.object_id)
            with pytest.raises(NotFound):
                await one.dicts.get(named.object_id)
            again, new = await one.dicts.claim("d", "", MISSING)
            assert new and again.object_id != named.object_id

    asyncio.run(share())


def test_of_all_who_ask_for_a_name_one_makes_it(kept: Kept) -> None:
    async def share() -> None:
        async with kept.open("one") as one, kept.open("two") as two:
            many = [each.queues.claim("q", "", MISSING) for each in (one, two) * 5]
            found = await asyncio.gather(*many)
            assert len({named.object_id for named, _ in found}) == 1
            assert [new for _, new in found].count(True) == 1

    asyncio.run(share())


def test_who_waits_hears_of_what_another_put_and_of_the_end(kept: Kept) -> None:
    async def share() -> None:
        async with kept.open("one") as one, kept.open("two") as two:
            named, _ = await one.queues.claim("q", "", MISSING)
            queue, until = named.object_id, kept.clock.now() + 60
            for tell in (
                two.queue_engine.put(queue, b"p\0", [b"v"], 0),
                two.queues.delete(queue),
            ):
                task = asyncio.ensure_future(one.queue_engine.arrival(queue, b"p\0", until))
                while not kept.clock.next_due():
                    await asyncio.sleep(0)
                await tell
                assert await task
                await one.queue_engine.take(queue, b"p\0", 1)

    asyncio.run(share())


def test_what_was_deleted_leaves_nothing_but_its_id(kept: Kept) -> None:
    async def share() -> list[bytes]:
        async with kept.open() as engines:
            for there in (engines.dicts, engines.queues):
                named, _ = await there.claim("a", "", MISSING)
                brief, _ = await there.claim("", "", Creation.EPHEMERAL)
                for object_id in (named.object_id, brief.object_id):
                    if there is engines.dicts:
                        await engines.dict_engine.update(object_id, [(b"k", b"v")], if_absent=False)
                    else:
                        await engines.queue_engine.put(object_id, b"", [b"1"], 0)
                    await there.delete(object_id)
        async with kept.open():
            client = kept.clients()[0]
            found = await client.keys("*")
            await client.aclose()
            return sorted(found)

    assert asyncio.run(share()) == [f"{PREFIX}{kind}:gone".encode() for kind in ("dicts", "queues")]


def test_a_listener_that_lost_its_connection_listens_again(redis_url: str) -> None:
    kept = Real(redis_url)

    async def share() -> None:
        async with kept.open() as engines:
            named, _ = await engines.queues.claim("q", "", MISSING)
            queue, until = named.object_id, kept.clock.now() + 60
            task = asyncio.ensure_future(engines.queue_engine.arrival(queue, b"", until))
            while not kept.clock.next_due():
                await asyncio.sleep(0)
            client = kept.clients()[0]
            assert await client.client_kill_filter(_type="pubsub") == 1
            await client.aclose()
            assert await task  # something may have been missed, so it looks

    asyncio.run(share())


def test_a_server_that_cannot_be_reached_is_told_without_the_password(tmp_path) -> None:
    async def reach(url: str) -> None:
        kept = Real.__new__(Real)
        Kept.__init__(kept)
        kept._url = url
        async with kept.open():
            raise AssertionError

    for url in (f"unix://:hunter2@{tmp_path}/none", "redis://:hunter2@localhost:1"):
        with pytest.raises(Unavailable, match="Dicts and Queues cannot be reached") as caught:
            asyncio.run(reach(url))
        assert "hunter2" not in str(caught.value)


def test_an_answer_is_waited_for_and_nothing_sent_twice() -> None:
    for client in connect("redis://localhost:1"):
        assert client.connection_pool.connection_kwargs["socket_timeout"] is None


@pytest.mark.parametrize("url", ["redis://:hunter2/3@localhost:70000", "hunter2", "http://hunter2"])
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        open_engines(url, **dict.fromkeys(PARTS))
    assert "hunter2" not in str(caught.value) and caught.value.__cause__ is None
    assert "hunter2" not in repr(Settings(keyed_store=url))


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "modal_emulator.engines.redis")
    monkeypatch.delitem(sys.modules, "modal_emulator.engines.redis_link")
    for name in [name for name in sys.modules if name.split(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "site-packages" not in p])
    with pytest.raises(Invalid, match=r"pip install 'modal-emulator\[redis\]'"):
        open_engines("redis://localhost", **dict.fromkeys(PARTS))


PARTS = ("ledger", "names", "environments", "clock", "ids", "dicts", "queues")
assert connect and shared
