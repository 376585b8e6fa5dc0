"""
Which container was given which values of secrets, and what has become of them since.

A container gets its secrets when it starts and keeps them (modal-semantics 2.3 [doc]), so a value
is in use until the last container with it is gone, also when the secret holds another by then.
Nothing here shows a value: not a repr, and not an event.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from modal_emulator.findings.secrecy import Value
from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.store.secrets import Secrets

__all__ = ["Drift", "Handed"]

_CHANGES = frozenset({"secret.written", "secret.deleted"})
_REMEMBERED = 1000  # values that nobody has any more


@dataclass(frozen=True, slots=True)
class Drift:
    """What a container has that is no longer what its secrets hold."""

    keys: tuple[str, ...]
    secrets: tuple[str, ...]
    """The names of the secrets that these keys came from; empty where there is none."""
    since: float


@dataclass(frozen=True, slots=True)
class _Share:
    """What one secret gave."""

    secret_id: str
    name: str
    values: Mapping[str, str] = field(repr=False)


class Handed:
    """Gives containers their variables, and remembers it for as long as they live."""

    def __init__(self, secrets: Secrets, clock: Clock, journal: Journal) -> None:
        self._secrets = secrets
        self._clock = clock
        self._given: dict[str, tuple[_Share, ...]] = {}
        self._former: dict[Value, None] = {}
        self._drifts: dict[str, Drift] = {}
        self._on_change: list[Callable[[], None]] = []
        journal.listen(self._hear, "container.exit", *_CHANGES)

    def environment(self, container_id: str, secret_ids: Iterable[str]) -> dict[str, str]:
        """Return the variables that the secrets of a container hold now; the later one wins."""
        secret_ids = tuple(secret_ids)
        if not secret_ids:
            return {}
        self._given[container_id] = tuple(self._share(secret_id) for secret_id in secret_ids)
        return self._secrets.environment(secret_ids)

    def values(self) -> Iterator[Value]:
        """Yield what every secret holds, then what it held when a container that lives began."""
        for secret in self._secrets.everything():
            for key, text in self._secrets.values(secret.secret_id).items():
                yield Value(key, secret.name, text)
        for shares in self._given.values():
            yield from _values(shares)

    def former(self) -> Iterator[Value]:
        """Yield what containers had that are gone: nobody uses it, but it may be written down."""
        return iter(self._former)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `values` may have become other ones."""
        self._on_change.append(listener)

    def drift(self, container_id: str) -> Drift | None:
        """Return what the container has of former values."""
        return self._drifts.get(container_id)

    def _share(self, secret_id: str) -> _Share:
        secret = self._secrets.get(secret_id)
        return _Share(secret.secret_id, secret.name, self._secrets.values(secret_id))

    def _hear(self, event: Event) -> None:
        if event.kind in _CHANGES:
            self._compare(str(event.values["secret_id"]))
        else:
            container_id = str(event.values["container_id"])
            self._drifts.pop(container_id, None)
            shares = self._given.pop(container_id, None)
            if shares is None:
                return
            if len(self._former) < _REMEMBERED:
                self._former.update(dict.fromkeys(_values(shares)))
        for listener in self._on_change:
            listener()

    def _compare(self, secret_id: str) -> None:
        for container_id, shares in self._given.items():
            if any(share.secret_id == secret_id for share in shares):
                drift = self._drift(shares, self._drifts.get(container_id))
                if drift is None:
                    self._drifts.pop(container_id, None)
                else:
                    self._drifts[container_id] = drift

    def _drift(self, shares: tuple[_Share, ...], before: Drift | None) -> Drift | None:
        """Say which variables would be others in a container that starts now."""
        try:
            fresh = tuple(self._share(share.secret_id) for share in shares)
        except NotFound:
            return before  # it was deleted: nobody starts with another value
        old, new = _together(shares), _together(fresh)
        keys = tuple(sorted(key for key in {**old, **new} if old.get(key) != new.get(key)))
        if not keys:
            return None
        names = {
            share.name: None
            for share in (*shares, *fresh)
            if share.name and any(key in share.values for key in keys)
        }
        return Drift(keys, tuple(names), before.since if before else self._clock.now())


def _values(shares: tuple[_Share, ...]) -> Iterator[Value]:
    for share in shares:
        yield from (Value(key, share.name, text) for key, text in share.values.items())


def _together(shares: tuple[_Share, ...]) -> dict[str, str]:
    together: dict[str, str] = {}
    for share in shares:
        together.update(share.values)
    return together
