"""
Dicts and Queues in a Redis, which emulators that are given the same one share by name.

It puts the parts together: the link, who waits, what is kept and which objects there are.
"""

from modal_emulator.engines.arrivals import Arrivals
from modal_emulator.engines.embedded import DICT, QUEUE, EmbeddedRegistry
from modal_emulator.engines.engine import Engines
from modal_emulator.engines.redis_dicts import RedisDicts
from modal_emulator.engines.redis_link import Client, Link, connect
from modal_emulator.engines.redis_names import RedisRegistry
from modal_emulator.engines.redis_queues import RedisQueues
from modal_emulator.ground.clock import Clock
from modal_emulator.ground.ids import Ids
from modal_emulator.store.dicts import DictLimits
from modal_emulator.store.environments import Environments
from modal_emulator.store.names import Family, Names
from modal_emulator.store.queues import QueueLimits

__all__ = ["connect", "shared"]


def shared(
    clients: tuple[Client, Client],
    names: Names,
    environments: Environments,
    clock: Clock,
    ids: Ids,
    dict_limits: DictLimits,
    queue_limits: QueueLimits,
) -> Engines:
    """Keep Dicts and Queues where these clients lead: one asks, the other listens."""
    arrivals = Arrivals(clock)
    link = Link(*clients, lambda told: _hear(arrivals, told))
    dicts = RedisDicts(link, clock, dict_limits)
    queues = RedisQueues(link, clock, arrivals, queue_limits)
    # Ephemeral objects end by timers and with their apps, where nobody waits.
    names.register(Family(DICT, "di", forget=lambda gone: link.later(dicts.clear(gone))))
    names.register(Family(QUEUE, "qu", forget=lambda gone: link.later(queues.forget(gone))))

    def registry(kind: str) -> RedisRegistry:
        return RedisRegistry(
            kind=kind,
            link=link,
            own=EmbeddedRegistry(kind, names, environments),
            environments=environments,
            clock=clock,
            ids=ids,
            user=names.user,
            forget=dicts.clear if kind == DICT else queues.forget,
        )

    return Engines(
        dicts=registry(DICT),
        queues=registry(QUEUE),
        dict_engine=dicts,
        queue_engine=queues,
        open=link.open,
        close=link.close,
    )


def _hear(arrivals: Arrivals, told: bytes) -> None:
    """Wake who waits for a partition, for a Queue that has ended, or for anything at all."""
    queue_id, both, partition = told.partition(b"\0")
    if both:
        arrivals.told(queue_id.decode(), partition)
    else:
        arrivals.told_all(queue_id.decode() or None)
