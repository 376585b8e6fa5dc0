"""
The entries of Dicts in Redis: a hash of values, and beside it the keys by when they expire.

The instants are those of the emulators' clocks; Redis's own time has no part in this.
"""

from collections.abc import AsyncIterator, Sequence

from modal_emulator.engines.redis_link import PREFIX, Link, Script
from modal_emulator.ground.clock import Clock
from modal_emulator.store.dicts import DictLimits

__all__ = ["RedisDicts"]

KEYS_AT_ONCE = 200
BYTES_AT_ONCE = 8 << 20

# KEYS: values, instants. ARGV: now, the instant to renew to (empty for none), and more.
_SWEEP = """
local values, instants, now, due = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
while true do
    local over = redis.call('ZRANGEBYSCORE', instants, '-inf', now, 'LIMIT', 0, 1000)
    if #over == 0 then break end
    redis.call('HDEL', values, unpack(over))
    redis.call('ZREM', instants, unpack(over))
end
local function renew(key)
    if due ~= '' then redis.call('ZADD', instants, due, key) end
end
"""
# ARGV[3]: how many bytes to return at most, after the first value; then keys.
_READ = """
local found, size = {}, 0
for i = 4, #ARGV do
    local value = redis.call('HGET', values, ARGV[i])
    if value then
        size = size + #value
        if size > tonumber(ARGV[3]) and #found > 0 then break end
        renew(ARGV[i])
    end
    found[#found + 1] = value
end
return found
"""
_CONTAINS = """
local there = redis.call('HEXISTS', values, ARGV[3])
if there == 1 then renew(ARGV[3]) end
return there
"""
# ARGV[3]: 1 to write only what is absent; then keys and values in turn.
_UPDATE = """
local written = 0
for i = 4, #ARGV, 2 do
    if ARGV[3] == '0' or redis.call('HEXISTS', values, ARGV[i]) == 0 then
        redis.call('HSET', values, ARGV[i], ARGV[i + 1])
        renew(ARGV[i])
        written = written + 1
    end
end
return written
"""
_POP = """
local value = redis.call('HGET', values, ARGV[3])
redis.call('HDEL', values, ARGV[3])
redis.call('ZREM', instants, ARGV[3])
return value
"""
_LENGTH = "return redis.call('ZCARD', instants)"
_KEYS = "return redis.call('HKEYS', values)"
_CLEAR = "return redis.call('DEL', values, instants)"


class RedisDicts:
    """The Dicts of all emulators that share a Redis."""

    def __init__(self, link: Link, clock: Clock, limits: DictLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._read = Script(link, _SWEEP + _READ)
        self._contains = Script(link, _SWEEP + _CONTAINS)
        self._update = Script(link, _SWEEP + _UPDATE)
        self._pop = Script(link, _SWEEP + _POP)
        self._length = Script(link, _SWEEP + _LENGTH)
        self._keys = Script(link, _SWEEP + _KEYS)
        self._clear = Script(link, _SWEEP + _CLEAR)

    async def get(self, dict_id: str, key: bytes) -> bytes | None:
        """Return the value, if there is one, and renew it."""
        [value] = await self._some(dict_id, [key], renew=True)
        return value

    async def contains(self, dict_id: str, key: bytes) -> bool:
        """Return whether there is such an entry."""
        times = self._times(self._limits.scans_renew)
        return await self._contains(_places(dict_id), *times, key) == 1

    async def update(
        self, dict_id: str, entries: Sequence[tuple[bytes, bytes]], *, if_absent: bool
    ) -> bool:
        """Write all entries, or those whose keys are not there yet."""
        self._limits.check(entries)
        if not entries:
            return not if_absent
        flat = [word for pair in entries for word in pair]
        times = self._times(True)
        return await self._update(_places(dict_id), *times, int(if_absent), *flat) != 0

    async def pop(self, dict_id: str, key: bytes) -> bytes | None:
        """Take an entry away and return its value."""
        value = await self._pop(_places(dict_id), *self._times(False), key)
        assert value is None or isinstance(value, bytes)
        return value

    async def clear(self, dict_id: str) -> None:
        """Take all entries away."""
        await self._clear(_places(dict_id), *self._times(False))

    async def length(self, dict_id: str) -> int:
        """Return how many entries there are, up to what is counted."""
        count = await self._length(_places(dict_id), *self._times(False))
        assert isinstance(count, int)
        return min(count, self._limits.counted)

    async def contents(self, dict_id: str) -> AsyncIterator[tuple[bytes, bytes]]:
        """Go through the entries, some at a time."""
        keys = await self._keys(_places(dict_id), *self._times(False))
        assert isinstance(keys, list)
        left = [key for key in keys if isinstance(key, bytes)]
        while left:
            some = left[:KEYS_AT_ONCE]
            values = await self._some(dict_id, some, renew=self._limits.scans_renew)
            for key, value in zip(some, values, strict=False):  # as many as could be sent at once
                if value is not None:
                    yield key, value
            left = left[len(values) :]

    async def _some(
        self, dict_id: str, keys: Sequence[bytes], *, renew: bool
    ) -> list[bytes | None]:
        values = await self._read(_places(dict_id), *self._times(renew), BYTES_AT_ONCE, *keys)
        assert isinstance(values, list)
        return [value if isinstance(value, bytes) else None for value in values]

    def _times(self, renew: bool) -> tuple[str, str]:
        now = self._clock.now()
        return repr(now), repr(now + self._limits.idle) if renew else ""


def _places(dict_id: str) -> tuple[str, str]:
    return f"{PREFIX}dict:{dict_id}", f"{PREFIX}dict:{dict_id}:due"
