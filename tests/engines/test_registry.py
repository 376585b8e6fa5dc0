import asyncio

import pytest

from engines.kept import Kept, on_open
from modal_emulator.ground.errors import AlreadyExists, Invalid, NotFound
from modal_emulator.store.names import EPHEMERAL_GRACE_S, Creation

MISSING, LOOKUP = Creation.CREATE_IF_MISSING, Creation.LOOKUP
FAIL, EPHEMERAL = Creation.CREATE_FAIL_IF_EXISTS, Creation.EPHEMERAL
WORDS = pytest.mark.parametrize("word", ["Dict", "Queue"])


def registry(engines, word: str):
    return engines.dicts if word == "Dict" else engines.queues


async def full(engines, word: str, object_id: str) -> bool:
    if word == "Dict":
        return await engines.dict_engine.length(object_id) > 0
    return await engines.queue_engine.length(object_id, None) > 0


async def fill(engines, word: str, object_id: str) -> None:
    if word == "Dict":
        await engines.dict_engine.update(object_id, [(b"k", b"v")], if_absent=False)
    else:
        await engines.queue_engine.put(object_id, b"p", [b"v"], 0)


def both(test):
    """Run for Dicts and for Queues."""

    async def run(kept, engines) -> None:
        for word, prefix in (("Dict", "di-"), ("Queue", "qu-")):
            await test(kept, engines, registry(engines, word), word, prefix)

    run.__name__ = test.__name__
    return on_open(run)


@both
async def test_a_name_is_made_once_and_found_again(kept, engines, there, word, prefix):
    made, new = await there.claim("a", "", MISSING)
    assert new and made.object_id.startswith(prefix)
    assert (made.kind, made.name, made.environment, made.created_by) == (word, "a", "main", "me")
    # No two objects of an emulator share an instant.
    assert 0 <= made.created_at - kept.clock.now() < 1e-3 and not made.ephemeral
    assert await there.claim("a", "main", LOOKUP) == (made, False)
    assert await there.claim("a", "", MISSING) == (made, False)
    assert await there.get(made.object_id) == made
    await there.heartbeat(made.object_id)


@both
async def test_what_cannot_be_is_told_in_modals_words(kept, engines, there, word, prefix):
    with pytest.raises(NotFound, match=f"^{word} 'a' not found in environment 'main'$"):
        await there.claim("a", "", LOOKUP)
    with pytest.raises(NotFound, match=f"^No {word} with ID '{prefix}x' found$"):
        await there.get(f"{prefix}x")
    with pytest.raises(Invalid, match=f"^Invalid {word} name: 'a b'"):
        await there.claim("a b", "", MISSING)
    await there.claim("a", "", FAIL)
    with pytest.raises(AlreadyExists, match=f"^{word} 'a' already exists in environment 'main'$"):
        await there.claim("a", "", FAIL)


@both
async def test_listed_are_the_named_ones_the_newest_first(kept, engines, there, word, prefix):
    for name in ("a", "b", "c"):
        await there.claim(name, "", MISSING)
    await there.claim("", "", EPHEMERAL)
    found = await there.list("")
    assert [named.name for named in found] == ["c", "b", "a"]
    assert found[0].created_at > found[1].created_at > found[2].created_at
    assert [named.name for named in await there.list("", limit=2)] == ["c", "b"]
    older = await there.list("", created_before=found[1].created_at)
    assert [named.name for named in older] == ["a"]


@both
async def test_what_is_deleted_is_forgotten_and_its_id_never_comes_again(
    kept, engines, there, word, prefix
):
    old, _ = await there.claim("a", "", MISSING)
    await fill(engines, word, old.object_id)
    await there.delete(old.object_id)
    assert not await full(engines, word, old.object_id)
    for gone in (there.get(old.object_id), there.claim("a", "", LOOKUP)):
        with pytest.raises(NotFound):
            await gone
    with pytest.raises(NotFound):
        await there.delete(old.object_id)
    new, made = await there.claim("a", "", MISSING)
    assert made and new.object_id != old.object_id
    assert not await full(engines, word, new.object_id)


@both
async def test_an_ephemeral_one_ends_with_its_heartbeats(kept, engines, there, word, prefix):
    one, _ = await there.claim("", "", EPHEMERAL)
    assert one.ephemeral and not one.name
    await fill(engines, word, one.object_id)
    await kept.clock.advance(EPHEMERAL_GRACE_S)
    await there.heartbeat(one.object_id)
    await kept.clock.advance(EPHEMERAL_GRACE_S)
    assert await full(engines, word, one.object_id)
    await kept.clock.advance(1)
    with pytest.raises(NotFound):
        await there.get(one.object_id)
    await there.claim("", "", EPHEMERAL)  # which sweeps
    while await full(engines, word, one.object_id):
        await asyncio.sleep(0)


def test_what_lasts_is_there_after_a_restart(kept: Kept) -> None:
    async def write() -> tuple[str, str]:
        async with kept.open() as engines:
            ids = [(await r.claim("a", "", MISSING))[0].object_id for r in registries(engines)]
            for word, object_id in zip(("Dict", "Queue"), ids, strict=True):
                await fill(engines, word, object_id)
            await kept.clock.advance(1000)
            await engines.dict_engine.get(ids[0], b"k")
        return ids[0], ids[1]

    async def read(dict_id: str, queue_id: str) -> None:
        async with kept.open() as engines:
            found = [await r.list("") for r in registries(engines)]
            if not kept.lasts:
                assert found == [(), ()]
                return
            assert [named.object_id for each in found for named in each] == [dict_id, queue_id]
            assert await engines.queue_engine.take(queue_id, b"p", 9) == [b"v"]
            await kept.clock.advance(7 * 86_400.0 - 0.5)
            assert await engines.dict_engine.length(dict_id) == 1
            await kept.clock.advance(0.5)
            assert await engines.dict_engine.length(dict_id) == 0

    def registries(engines):
        return engines.dicts, engines.queues

    asyncio.run(read(*asyncio.run(write())))
