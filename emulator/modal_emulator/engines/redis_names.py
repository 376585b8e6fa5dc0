"""
Which Dicts or Queues there are in a Redis: those with names, for all emulators that share it.

Ephemeral ones belong to the emulator that made them; which there are is known to it alone, though
what is in them lies in Redis as well. Environments are each emulator's own: their names are shared
words and nothing more.
"""

import json
from collections.abc import Awaitable, Callable

from modal_emulator.engines.engine import Registry
from modal_emulator.engines.redis_link import PREFIX, Link, Script
from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.environments import Environments
from modal_emulator.store.names import Creation, Named
from modal_emulator.store.naming import check_name, name_taken, no_such_id, no_such_name

__all__ = ["RedisRegistry"]

NAMELESS = (Creation.EPHEMERAL, Creation.ANONYMOUS)

# KEYS: objects by id, ids by name, ids by instant of making, ids that were deleted.
_PLACES = "local objects, names, made, gone = KEYS[1], KEYS[2], KEYS[3], KEYS[4]\n"
# ARGV: name, now, an id, another if that was used, the object, and 1 to make it.
# No two objects share an instant, as in `store/names.py`. Returns id, object, instant, made.
_CLAIM = """
local id, new = redis.call('HGET', names, ARGV[1]), 0
if not id then
    if ARGV[6] == '0' then return false end
    id, new = ARGV[3], 1
    if redis.call('SISMEMBER', gone, id) == 1 or redis.call('HEXISTS', objects, id) == 1 then
        id = ARGV[4]
    end
    local instant = ARGV[2]
    local latest = redis.call('ZREVRANGE', made, 0, 0, 'WITHSCORES')[2]
    if latest and tonumber(latest) >= tonumber(instant) then
        instant = string.format('%.17g', tonumber(latest) + 1e-6)
    end
    redis.call('HSET', objects, id, ARGV[5])
    redis.call('HSET', names, ARGV[1], id)
    redis.call('ZADD', made, instant, id)
end
return {id, redis.call('HGET', objects, id), redis.call('ZSCORE', made, id), new}
"""
# ARGV: id.
_GET = """
local object = redis.call('HGET', objects, ARGV[1])
if not object then return false end
return {ARGV[1], object, redis.call('ZSCORE', made, ARGV[1])}
"""
# Returns ids, objects and instants in turn, the newest first.
_LIST = """
local found, all = {}, redis.call('ZREVRANGE', made, 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
    found[#found + 1] = {all[i], redis.call('HGET', objects, all[i]), all[i + 1]}
end
return found
"""
# ARGV: id, name.
_DELETE = """
if redis.call('HDEL', objects, ARGV[1]) == 0 then return 0 end
redis.call('HDEL', names, ARGV[2])
redis.call('ZREM', made, ARGV[1])
redis.call('SADD', gone, ARGV[1])
return 1
"""


class RedisRegistry:
    """The objects of one kind: the named ones in Redis, the others in `own`."""

    def __init__(
        self,
        kind: str,
        link: Link,
        own: Registry,
        environments: Environments,
        clock: Clock,
        ids: Ids,
        user: str,
        forget: Callable[[str], Awaitable[None]],
    ) -> None:
        self._kind = kind
        self._prefix = kind.lower()[:2]  # as Modal's: di, qu
        self._own = own
        self._environments = environments
        self._clock = clock
        self._ids = ids
        self._user = user
        self._forget = forget
        words = ("objects", "names", "made", "gone")
        self._places = [f"{PREFIX}{kind.lower()}s:{word}" for word in words]
        self._claim = Script(link, _PLACES + _CLAIM)
        self._get = Script(link, _PLACES + _GET)
        self._list = Script(link, _PLACES + _LIST)
        self._delete = Script(link, _PLACES + _DELETE)

    async def claim(
        self, name: str, environment: str, creation: Creation, app_id: str = ""
    ) -> tuple[Named, bool]:
        """Return the object that a client asks for, and whether it was made just now."""
        if creation in NAMELESS:
            return await self._own.claim(name, environment, creation, app_id)
        environment = self._environments.resolve(environment)
        make = creation is not Creation.LOOKUP
        if make:
            check_name(self._kind, name)
        found = await self._claim(
            self._places,
            _place(environment, name),
            repr(self._clock.now()),
            self._ids.stable(self._prefix, environment, name),
            self._ids.mint(self._prefix),
            json.dumps({"name": name, "environment": environment, "by": self._user}),
            int(make),
        )
        if found is None:
            raise no_such_name(self._kind, environment, name)
        assert isinstance(found, list)
        new = found[3] == 1
        if not new and creation is Creation.CREATE_FAIL_IF_EXISTS:
            raise name_taken(self._kind, environment, name)
        return self._named(found), new

    async def get(self, object_id: str) -> Named:
        """Return the object behind an id."""
        try:
            return await self._own.get(object_id)
        except NotFound:
            found = await self._get(self._places, object_id)
        if found is None:
            raise no_such_id(self._kind, object_id)
        return self._named(found)

    async def list(
        self, environment: str, *, limit: int | None = None, created_before: float | None = None
    ) -> tuple[Named, ...]:
        """Return the named objects of an environment, the newest first."""
        environment = self._environments.resolve(environment)
        all_there = await self._list(self._places)
        assert isinstance(all_there, list)
        found = [
            named
            for named in map(self._named, all_there)
            if named.environment == environment
            and (created_before is None or named.created_at < created_before)
        ]
        return tuple(found[:limit])

    async def delete(self, object_id: str) -> None:
        """End an object's life for all emulators, and forget what was in it."""
        named = await self.get(object_id)
        if not named.name:
            await self._own.delete(object_id)
            return
        place = _place(named.environment, named.name)
        if await self._delete(self._places, object_id, place) == 0:
            raise no_such_id(self._kind, object_id)  # another emulator was faster
        await self._forget(object_id)

    async def heartbeat(self, object_id: str) -> None:
        """Keep an ephemeral object alive for another grace."""
        if (await self.get(object_id)).ephemeral:
            await self._own.heartbeat(object_id)

    def _named(self, found: object) -> Named:
        assert isinstance(found, list)
        object_id, told, instant = found[:3]
        words = json.loads(told)
        return Named(
            object_id=object_id.decode(),
            kind=self._kind,
            environment=words["environment"],
            name=words["name"],
            created_at=float(instant),
            created_by=words["by"],
        )


def _place(environment: str, name: str) -> str:
    return f"{environment}\0{name}"
