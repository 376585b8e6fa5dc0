"""
Dicts and Queues of a server that is killed at any moment: what was acknowledged is there, in whole.

The work says before each step what will be there after it, and then that it is done.
"""

import copy
import json
import os
import random
import signal
import traceback
from pathlib import Path
from typing import Any

import pytest

from crash.work import Fuse
from modal_emulator.ground.ids import Ids
from modal_emulator.store.dicts import Dicts
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Claim, Creation, Family, Names
from modal_emulator.store.queues import Queues
from store.conftest import StillClock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

FEW = 40
IN_A_ROW = 10
"""How often one directory is killed and opened again before a new one is begun."""

State = dict[str, dict[str, Any]]
KEYS, PARTITIONS = "xyz", ["", "p"]


class Server:
    """What is kept in one directory, under the names of its Dicts and Queues."""

    def __init__(self, directory: Path, seed: int) -> None:
        clock = StillClock()
        self.ledger = Ledger(directory)
        self.names = Names(self.ledger, clock, Ids(seed))
        self.dicts, self.queues = Dicts(self.ledger, clock), Queues(self.ledger, clock)
        self.names.register(Family("Dict", "di", forget=self.dicts.clear))
        self.names.register(Family("Queue", "qu", forget=lambda q: self.queues.clear(q, None)))

    def id(self, kind: str, name: str) -> str:
        claim = Claim("main", name, Creation.CREATE_IF_MISSING)
        return self.names.claim(kind, claim)[0].object_id

    def state(self) -> State:
        """Return all that is there and holds anything."""
        state: State = {"Dict": {}, "Queue": {}}
        for named in self.names.list("Dict", "main"):
            keys = sorted(self.dicts.keys(named.object_id))
            found = {key.decode(): self.dicts.get(named.object_id, key).decode() for key in keys}
            assert self.dicts.length(named.object_id) == len(found)
            if found:
                state["Dict"][named.name] = found
        for named in self.names.list("Queue", "main"):
            rows = {}
            for partition in PARTITIONS:
                found = self.queues.after(named.object_id, partition.encode(), "")
                assert self.queues.length(named.object_id, partition.encode()) == len(found)
                if found:
                    rows[partition] = [value.decode() for _, value in found]
            assert self.queues.partitions(named.object_id) == len(rows)
            if rows:
                state["Queue"][named.name] = rows
        return state


class Work:
    """Random steps, each said before and after."""

    def __init__(self, directory: Path, seed: int, fuse: Fuse, log: int) -> None:
        self.chance = random.Random(seed)
        self.server = Server(directory, seed)
        fuse.burns = False  # reading is no moment
        self.state = self.server.state()
        fuse.burns = True
        self.log = log

    def run(self) -> None:
        steps = (self.update, self.update, self.pop, self.put, self.put, self.take, self.delete)
        while True:
            after = copy.deepcopy(self.state)
            step = self.chance.choice(steps)(self.chance.choice("ab"), after)
            for kind, objects in after.items():
                after[kind] = {name: held for name, held in objects.items() if held}
            self.say(after)
            step()
            self.say({})
            self.state = after

    def say(self, state: State) -> None:
        os.write(self.log, json.dumps(state).encode() + b"\n")

    def update(self, name: str, after: State) -> Any:
        new = {key: str(self.chance.random()) for key in KEYS if self.chance.random() < 0.7}
        after["Dict"].setdefault(name, {}).update(new)
        entries = [(key.encode(), value.encode()) for key, value in new.items()]
        dicts = self.server.dicts
        return lambda: dicts.update(self.server.id("Dict", name), entries, if_absent=False)

    def pop(self, name: str, after: State) -> Any:
        key = self.chance.choice(KEYS)
        after["Dict"].setdefault(name, {}).pop(key, None)
        return lambda: self.server.dicts.pop(self.server.id("Dict", name), key.encode())

    def put(self, name: str, after: State) -> Any:
        partition = self.chance.choice(PARTITIONS)
        new = [str(self.chance.random()) for _ in range(self.chance.randint(1, 3))]
        after["Queue"].setdefault(name, {}).setdefault(partition, []).extend(new)
        values = [value.encode() for value in new]
        queues = self.server.queues
        return lambda: queues.put(self.server.id("Queue", name), partition.encode(), values, 0)

    def take(self, name: str, after: State) -> Any:
        partition, most = self.chance.choice(PARTITIONS), self.chance.randint(1, 4)
        rows = after["Queue"].setdefault(name, {})
        rows[partition] = rows.get(partition, [])[most:]
        if not rows[partition]:
            del rows[partition]
        queues = self.server.queues
        return lambda: queues.take(self.server.id("Queue", name), partition.encode(), most)

    def delete(self, name: str, after: State) -> Any:
        kind = self.chance.choice(["Dict", "Queue"])
        after[kind].pop(name, None)
        names = self.server.names
        return lambda: names.drop(kind, self.server.id(kind, name))


def run_until_killed(directory: Path, seed: int, log: Path) -> None:
    pid = os.fork()
    if not pid:
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            fuse = Fuse(5 + seed * 7919 % 400)
            execute = Ledger._execute

            def watched(self: Ledger, statement: str, *values: Any) -> Any:
                fuse.tick()
                done = execute(self, statement, *values)
                fuse.tick()
                return done

            Ledger._execute = watched  # type: ignore[method-assign]
            Work(directory, seed, fuse, handle).run()
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(3)  # it was not killed, which is a failure
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def play(directory: Path, seed: int, before: State) -> State:
    """Kill once, look, and return what was found to be there."""
    log = directory.with_name("log")
    run_until_killed(directory, seed, log)
    begun, acknowledged = None, before
    for line in log.read_text().splitlines():
        step = json.loads(line)
        acknowledged, begun = (begun, None) if not step else (acknowledged, step)
    server = Server(directory, seed + 1_000_000)
    found = server.state()
    server.ledger.close()
    assert found in (acknowledged, begun), f"found {found}\nnot {acknowledged}\nor {begun}"
    return found


def test_what_was_acknowledged_is_there_and_nothing_in_part(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    one = pytestconfig.getoption("--kill-seed")
    kills = pytestconfig.getoption("--kills") or FEW
    for first in [one] if one is not None else range(1, kills + 1, IN_A_ROW):
        state: State = {"Dict": {}, "Queue": {}}
        place = tmp_path / str(first)
        place.mkdir()
        for seed in range(first, first + IN_A_ROW):
            try:
                state = play(place / "state", seed, state)
            except BaseException:
                print(f"play it again with --kill-seed {first}")
                raise
