"""
The items of Queues in Redis: a list for each partition, and beside them what is known of each.

`due` has the partitions by when they are cleared, by the emulators' clocks; `sizes` their bytes;
`heads` how many numbers were given away before the first item of the list, from which the numbers
of the others follow. `number` counts all puts, so a partition that begins anew goes on from there.
"""

from collections.abc import Sequence

from modal_emulator.engines.arrivals import Arrivals
from modal_emulator.engines.redis_link import CHANNEL, PREFIX, Link, Script, Word
from modal_emulator.ground.clock import Clock
from modal_emulator.store.queues import QueueLimits, entry_number

__all__ = ["RedisQueues"]

# KEYS[1]: what the keys of this queue begin with. ARGV: now, partition, and more.
_SWEEP = """
local queue, now, partition = KEYS[1], ARGV[1], ARGV[2]
local due, heads, sizes = queue .. 'due', queue .. 'heads', queue .. 'sizes'
local items = queue .. 'items:'
local function drop(which)
    redis.call('DEL', items .. which)
    redis.call('ZREM', due, which)
    redis.call('HDEL', heads, which)
    redis.call('HDEL', sizes, which)
end
for _, over in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now)) do drop(over) end
"""
# ARGV: due, bounds of items, bytes and partitions, channel, name of the arrival; then values.
# Returns nothing, or how much it would have been.
_PUT = """
local length = redis.call('LLEN', items .. partition)
local size = tonumber(redis.call('HGET', sizes, partition) or '0')
local partitions = redis.call('ZCARD', due)
if length == 0 then partitions = partitions + 1 end
local count = #ARGV - 8
for i = 9, #ARGV do size = size + #ARGV[i] end
if length + count > tonumber(ARGV[4]) or size > tonumber(ARGV[5])
    or partitions > tonumber(ARGV[6]) then
    return {length + count, size, partitions}
end
local number = redis.call('INCRBY', queue .. 'number', count)
if length == 0 then redis.call('HSET', heads, partition, number - count) end
for i = 9, #ARGV do redis.call('RPUSH', items .. partition, ARGV[i]) end
redis.call('HSET', sizes, partition, size)
redis.call('ZADD', due, ARGV[3], partition)
redis.call('PUBLISH', ARGV[7], ARGV[8])
return false
"""
# ARGV[3]: how many at most.
_TAKE = """
local most = tonumber(ARGV[3])
if most < 1 then return {} end
local taken, size = redis.call('LRANGE', items .. partition, 0, most - 1), 0
for _, value in ipairs(taken) do size = size + #value end
redis.call('LTRIM', items .. partition, most, -1)
if redis.call('LLEN', items .. partition) == 0 then
    drop(partition)
else
    redis.call('HINCRBY', heads, partition, #taken)
    redis.call('HINCRBY', sizes, partition, 0 - size)  -- for Redis -0 is no number
end
return taken
"""
# ARGV[3]: a number. Returns the number of the last item before those that follow.
_AFTER = """
local head = tonumber(redis.call('HGET', heads, partition) or '0')
local start = math.max(tonumber(ARGV[3]) - head, 0)
return {head + start, redis.call('LRANGE', items .. partition, start, -1)}
"""
_HOLDS = """
local head = tonumber(redis.call('HGET', heads, partition) or '0')
local length = redis.call('LLEN', items .. partition)
if length > 0 and head + length > tonumber(ARGV[3]) then return 1 else return 0 end
"""
_LENGTH = "return redis.call('LLEN', items .. partition)"
_TOTAL = """
local total = 0
for _, which in ipairs(redis.call('ZRANGE', due, 0, -1)) do
    total = total + redis.call('LLEN', items .. which)
end
return total
"""
_PARTITIONS = "return redis.call('ZCARD', due)"
_CLEAR = "drop(partition)"
_CLEAR_ALL = "for _, which in ipairs(redis.call('ZRANGE', due, 0, -1)) do drop(which) end"
# ARGV: channel, name of the arrival.
_FORGET = (
    _CLEAR_ALL
    + """
redis.call('DEL', queue .. 'number')
redis.call('PUBLISH', ARGV[3], ARGV[4])
"""
)


class RedisQueues:
    """The Queues of all emulators that share a Redis."""

    def __init__(self, link: Link, clock: Clock, arrivals: Arrivals, limits: QueueLimits) -> None:
        self._clock = clock
        self._arrivals = arrivals
        self._limits = limits
        self._put = Script(link, _SWEEP + _PUT)
        self._take = Script(link, _SWEEP + _TAKE)
        self._after = Script(link, _SWEEP + _AFTER)
        self._holds = Script(link, _SWEEP + _HOLDS)
        self._length = Script(link, _SWEEP + _LENGTH)
        self._total = Script(link, _SWEEP + _TOTAL)
        self._partitions = Script(link, _SWEEP + _PARTITIONS)
        self._clear = Script(link, _SWEEP + _CLEAR)
        self._clear_all = Script(link, _SWEEP + _CLEAR_ALL)
        self._forget = Script(link, _SWEEP + _FORGET)

    async def put(
        self, queue_id: str, partition: bytes, values: Sequence[bytes], ttl: float
    ) -> None:
        """Add all values in one step, or none, and wake who waits for them on any server."""
        span = self._limits.span(ttl)
        self._limits.check(values)
        if not values:
            return
        limits = self._limits
        name = queue_id.encode() + b"\0" + partition
        much = await self._ask(
            self._put,
            queue_id,
            partition,
            repr(self._clock.now() + span),
            limits.items,
            limits.partition_size,
            limits.partitions,
            CHANNEL,
            name,
            *values,
        )
        if much is not None:
            assert isinstance(much, list)
            items, size, partitions = (int(each) for each in much if isinstance(each, int))
            full = limits.full(items, size, partitions)
            assert full is not None
            raise full
        self._arrivals.told(queue_id, partition)

    async def take(self, queue_id: str, partition: bytes, most: int) -> list[bytes]:
        """Take so many items away, or what there is."""
        return _values(await self._ask(self._take, queue_id, partition, most))

    async def arrival(self, queue_id: str, partition: bytes, until: float, after: str = "") -> bool:
        """Wait until there may be an item, or the clock reaches an instant."""

        async def there() -> bool:
            number = entry_number(after)
            return await self._ask(self._holds, queue_id, partition, number) == 1

        return await self._arrivals.wait(queue_id, partition, until, there)

    async def after(
        self, queue_id: str, partition: bytes, entry_id: str
    ) -> list[tuple[str, bytes]]:
        """Return the items beyond an entry, with their ids."""
        found = await self._ask(self._after, queue_id, partition, entry_number(entry_id))
        assert isinstance(found, list)
        last, values = found
        assert isinstance(last, int)
        return [(str(last + 1 + place), value) for place, value in enumerate(_values(values))]

    async def length(self, queue_id: str, partition: bytes | None) -> int:
        """Return how many items a partition holds, or all of them."""
        which = self._total if partition is None else self._length
        return _count(await self._ask(which, queue_id, partition or b""))

    async def partitions(self, queue_id: str) -> int:
        """Return how many partitions hold items."""
        return _count(await self._ask(self._partitions, queue_id, b""))

    async def clear(self, queue_id: str, partition: bytes | None) -> None:
        """Take away all items of a partition, or of all."""
        which = self._clear_all if partition is None else self._clear
        await self._ask(which, queue_id, partition or b"")

    async def forget(self, queue_id: str) -> None:
        """Leave nothing of a Queue that was deleted, and wake who waits for it on any server."""
        await self._ask(self._forget, queue_id, b"", CHANNEL, queue_id)

    async def _ask(self, script: Script, queue_id: str, *words: Word) -> object:
        now = repr(self._clock.now())
        return await script([f"{PREFIX}queue:{queue_id}:"], now, *words)


def _values(answer: object) -> list[bytes]:
    assert isinstance(answer, list)
    return [value for value in answer if isinstance(value, bytes)]


def _count(answer: object) -> int:
    assert isinstance(answer, int)
    return answer
