"""
Dicts and Queues against a model of them, on every engine, with a clock that the machine moves.

Where an engine is shared, two emulators take turns; where it lasts, it is closed and opened again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from engines.conftest import ENGINES
from engines.kept import DICT_LIMITS, QUEUE_LIMITS, Durable, Embedded, Fake, Kept, Real
from modal_emulator.engines.engine import Engines
from modal_emulator.ground.errors import Exhausted
from modal_emulator.store.names import Creation

DAY = 86_400.0
WEEK = 7 * DAY
BY_EXAMPLES = {"embedded": 40, "durable": 15, "fakeredis": 10, "redis-server": 12}

names = st.sampled_from(["a", "a", "b"])
keys = st.sampled_from([b"k", b"", b"\x80\x05K\x01."])
values = st.binary(max_size=3) | st.just(b"x" * 900)
partitions = st.sampled_from([b"", b"p", b"\xff/p", b"q", b"\x00"])
rows = st.lists(values, max_size=4)
spans = st.sampled_from([0.5, 10, 3000, 3600, DAY - 1, DAY, 3 * DAY, WEEK - 4000, WEEK])
ttls = st.sampled_from([0, 10, 3600])


@dataclass
class Row:
    """One partition, as the model has it."""

    due: float
    items: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def values(self) -> list[bytes]:
        return [value for _, value in self.items]


class Machine(RuleBasedStateMachine):
    """Drives one engine and the model side by side."""

    make: Callable[[], Kept]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.kept = type(self).make()
        self.clock = self.kept.clock
        self.stack = AsyncExitStack()
        self.turn = 0
        self.dicts: dict[str, dict[bytes, tuple[bytes, float]]] = {}
        self.queues: dict[str, dict[bytes, Row]] = {}
        self.count = 0
        self.numbers: dict[tuple[str, str], int] = {}
        """Of each entry id, by Queue, the model's own number."""

    @initialize()
    def open(self) -> None:
        self.run(self._open())
        self.update("a", {b"k": b"1", b"": b"2"}, False)
        self.put("a", b"", [b"1", b"2"], 0)

    async def _open(self) -> None:
        salts = ("one", "two") if self.kept.is_shared else ("one",)
        self.opened = [await self.stack.enter_async_context(self.kept.open(s)) for s in salts]

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()

    def run(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(step, 100))

    @property
    def engines(self) -> Engines:
        self.turn += 1
        return self.opened[self.turn % len(self.opened)]

    def dict_id(self, name: str) -> str:
        return self._id(self.engines.dicts, name, self.dicts)

    def queue_id(self, name: str) -> str:
        return self._id(self.engines.queues, name, self.queues)

    def _id(self, registry: Any, name: str, model: dict[str, Any]) -> str:
        named, made = self.run(registry.claim(name, "", Creation.CREATE_IF_MISSING))
        assert made is (name not in model)
        model.setdefault(name, {})
        return named.object_id

    # ---------------------------------------------------------------- time, and the whole

    @rule(seconds=spans)
    def advance(self, seconds: float) -> None:
        self.move_to(self.clock.now() + seconds)

    @rule(before=st.sampled_from([0, 0.5, 4000]), which=st.integers(0, 2))
    def advance_to_an_end(self, before: float, which: int) -> None:
        ends = {due for entries in self.dicts.values() for _, due in entries.values()}
        ends |= {row.due for rows in self.queues.values() for row in rows.values()}
        if ends:
            end = sorted(ends)[which % len(ends)]
            self.move_to(max(self.clock.now(), end - before))

    def move_to(self, now: float) -> None:
        self.clock.set(now)
        for entries in self.dicts.values():
            for key in [key for key, (_, due) in entries.items() if due <= now]:
                del entries[key]
        for rows in self.queues.values():
            for partition in [p for p, row in rows.items() if row.due <= now]:
                del rows[partition]
        self.count_all()

    def count_all(self) -> None:
        """Look at everything in the one way that is no use of it."""
        for name, entries in self.dicts.items():
            found = self.run(self.engines.dict_engine.length(self.dict_id(name)))
            assert found == min(len(entries), DICT_LIMITS.counted)
        for name, rows in self.queues.items():
            queue_id, queues = self.queue_id(name), self.engines.queue_engine
            assert self.run(queues.partitions(queue_id)) == len(rows)
            total = sum(len(row.items) for row in rows.values())
            assert self.run(queues.length(queue_id, None)) == total
            for partition in (b"", b"p"):
                row = rows.get(partition, Row(0))
                assert self.run(queues.length(queue_id, partition)) == len(row.items)

    @precondition(lambda self: self.kept.lasts)
    @rule()
    def restart(self) -> None:
        self.run(self.stack.aclose())
        self.run(self._open())
        self.count_all()

    @rule(name=names, dicts=st.booleans(), what=st.none() | st.just("all") | partitions)
    def wipe(self, name: str, dicts: bool, what: str | bytes | None) -> None:
        """Delete the object, or clear all of it or one partition."""
        model: dict[str, Any] = self.dicts if dicts else self.queues
        if name not in model:
            return
        if what is None:
            registry = self.engines.dicts if dicts else self.engines.queues
            named, _ = self.run(registry.claim(name, "", Creation.LOOKUP))
            self.run(registry.delete(named.object_id))
            del model[name]
        elif dicts:
            self.run(self.engines.dict_engine.clear(self.dict_id(name)))
            self.dicts[name].clear()
        else:
            partition = what if isinstance(what, bytes) else None
            self.run(self.engines.queue_engine.clear(self.queue_id(name), partition))
            for each in [*self.queues[name]] if partition is None else [partition]:
                self.queues[name].pop(each, None)

    # ---------------------------------------------------------------- Dicts

    def entry(self, value: bytes) -> tuple[bytes, float]:
        return value, self.clock.now() + WEEK

    @rule(name=names, new=st.dictionaries(keys, values, max_size=3), if_absent=st.booleans())
    def update(self, name: str, new: dict[bytes, bytes], if_absent: bool) -> None:
        dict_id = self.dict_id(name)
        step = self.engines.dict_engine.update(dict_id, list(new.items()), if_absent=if_absent)
        entries = self.dicts[name]
        written = {k: v for k, v in new.items() if not (if_absent and k in entries)}
        assert self.run(step) is (bool(written) or not if_absent)
        entries.update({key: self.entry(value) for key, value in written.items()})

    @rule(name=names, first=st.integers(0, 1))
    def fill(self, name: str, first: int) -> None:
        many = [(b"many-%d" % n, b"") for n in range(first, 50)]
        self.run(self.engines.dict_engine.update(self.dict_id(name), many, if_absent=False))
        self.dicts[name].update({key: self.entry(value) for key, value in many})

    @rule(uses=st.lists(st.tuples(st.sampled_from("gggcp"), names, keys), max_size=6))
    def use(self, uses: list[tuple[str, str, bytes]]) -> None:
        for how, name, key in uses:
            dict_id, engine, entries = (
                self.dict_id(name),
                self.engines.dict_engine,
                self.dicts[name],
            )
            value, _ = entries.get(key, (None, 0))
            if how == "g":
                assert self.run(engine.get(dict_id, key)) == value
            elif how == "c":
                assert self.run(engine.contains(dict_id, key)) is (value is not None)
            else:
                assert self.run(engine.pop(dict_id, key)) == value
                entries.pop(key, None)
            if key in entries and value is not None:
                entries[key] = self.entry(value)

    @rule(name=names)
    def contents(self, name: str) -> None:
        async def read(dict_id: str) -> list[tuple[bytes, bytes]]:
            return [pair async for pair in self.engines.dict_engine.contents(dict_id)]

        found = self.run(read(self.dict_id(name)))
        entries = self.dicts[name]
        assert sorted(found) == sorted((key, value) for key, (value, _) in entries.items())
        entries.update({key: self.entry(value) for key, value in found})

    # ---------------------------------------------------------------- Queues

    @rule(puts=st.lists(st.tuples(names, partitions, rows, ttls), max_size=4))
    def put_some(self, puts: list[tuple[str, bytes, list[bytes], float]]) -> None:
        for put in puts:
            self.put(*put)

    def put(self, name: str, partition: bytes, new: list[bytes], ttl: float) -> None:
        rows = self.queues.get(name, {})
        step = self.engines.queue_engine.put(self.queue_id(name), partition, new, ttl)
        row = rows.get(partition, Row(0))
        size = sum(map(len, row.values + new))
        fits = (
            len(row.items) + len(new) <= QUEUE_LIMITS.items
            and size <= QUEUE_LIMITS.partition_size
            and len({*rows, partition}) <= QUEUE_LIMITS.partitions
        )
        if new and not fits:
            with pytest.raises(Exhausted):
                self.run(step)
            return
        self.run(step)
        if new:
            row = self.queues[name].setdefault(partition, row)
            row.due = self.clock.now() + (ttl or DAY)
            row.items += [(self.count + place, value) for place, value in enumerate(new, 1)]
            self.count += len(new)
            self.look(name, partition, 0)

    @rule(takes=st.lists(st.tuples(names, partitions, st.integers(0, 3)), max_size=4))
    def take_some(self, takes: list[tuple[str, bytes, int]]) -> None:
        for take in takes:
            self.take(*take)

    def take(self, name: str, partition: bytes, most: int) -> None:
        found = self.run(self.engines.queue_engine.take(self.queue_id(name), partition, most))
        row = self.queues[name].get(partition, Row(0))
        assert found == row.values[:most]
        del row.items[:most]
        if not row.items:
            self.queues[name].pop(partition, None)
        self.look(name, partition, 0)

    @rule(name=names, partition=partitions, back=st.integers(0, 6))
    def after(self, name: str, partition: bytes, back: int) -> None:
        self.look(name, partition, back)

    def look(self, name: str, partition: bytes, back: int) -> None:
        """Read on behind an entry that was seen some time ago, or from the first one."""
        queue_id = self.queue_id(name)
        place = queue_id + str(partition)
        known = ["", *(entry for where, entry in self.numbers if where == place)]
        entry = known[-back % len(known)]
        number = self.numbers.get((place, entry), 0)
        found = self.run(self.engines.queue_engine.after(queue_id, partition, entry))
        items = self.queues[name].get(partition, Row(0)).items
        expected = [(own, value) for own, value in items if own > number]
        assert [value for _, value in found] == [value for _, value in expected]
        for (entry_id, _), (own, _) in zip(found, expected, strict=True):
            assert self.numbers.setdefault((place, entry_id), own) == own


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_does_what_the_model_does(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    def make() -> Kept:
        if engine == "redis-server":
            return Real(request.getfixturevalue("redis_url"))
        if engine == "durable":
            return Durable(Path(mkdtemp(dir=tmp_path)))
        return Embedded() if engine == "embedded" else Fake()

    machine = type(f"{engine}-machine", (Machine,), {"make": staticmethod(make)})
    few = settings(
        max_examples=BY_EXAMPLES[engine],
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )
    run_machine(machine, settings=few)
