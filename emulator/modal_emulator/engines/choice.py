"""Which engine keeps Dicts and Queues: the emulator's own, or a Redis that a URL names."""

from modal_emulator.engines.embedded import embedded
from modal_emulator.engines.engine import Engines
from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.ids import Ids
from modal_emulator.store.dicts import DictLimits
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names
from modal_emulator.store.queues import QueueLimits

__all__ = ["open_engines"]

SCHEMES = ("redis://", "rediss://", "unix://")


def open_engines(
    url: str,
    *,
    ledger: Ledger,
    names: Names,
    environments: Environments,
    clock: Clock,
    ids: Ids,
    dicts: DictLimits,
    queues: QueueLimits,
) -> Engines:
    """
    Return the engines; an empty URL stands for the emulator's own.

    Raises:
        Invalid: the URL cannot be read, or the package for it is not installed.
    """
    if not url:
        return embedded(ledger, names, environments, clock, dicts, queues)
    if not url.startswith(SCHEMES):  # what else it is may hold a password: it is not repeated
        raise Invalid(
            f"Dicts and Queues are kept in a Redis by a URL that begins with {' or '.join(SCHEMES)}"
        )
    try:
        from modal_emulator.engines.redis import connect, shared
    except ModuleNotFoundError as missing:
        if missing.name != "redis":
            raise
        raise Invalid(
            "Dicts and Queues in a Redis need the package redis: "
            "pip install 'modal-emulator[redis]'"
        ) from None
    return shared(connect(url), names, environments, clock, ids, dicts, queues)
