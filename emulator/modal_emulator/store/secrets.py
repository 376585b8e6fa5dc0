"""
Secrets: named sets of environment variables whose values nobody sees.

`Secrets.environment` and `Secrets.values` are the only ways to the values; they are in the ledger
and nowhere else, and no repr, event or error of this room contains one. Whether a container may
override a reserved variable is decided where its environment is composed.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Claim, Creation, Family, Named, Names

__all__ = ["SECRET", "Secret", "Secrets", "check_values"]

SECRET = "Secret"  # noqa: S105 - the word for the kind

LONGEST_KEY = 16_384  # modal-semantics 2.2 [doc]
LONGEST_VALUE = 32_768  # modal-semantics 2.2 [doc]
_KEY = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Secret:
    """What may be known of a secret: everything but its values."""

    secret_id: str
    name: str
    environment: str
    keys: tuple[str, ...]
    created_at: float
    created_by: str
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class _Held:
    """The values of one secret, on the way between the ledger and a container."""

    values: Mapping[str, str]
    last_used_at: float | None = None


class Secrets:
    """The secrets of one World."""

    def __init__(
        self,
        ledger: Ledger,
        names: Names,
        environments: Environments,
        clock: Clock,
        journal: Journal,
        workspace: str = "modal-emulator",
    ) -> None:
        self._ledger = ledger
        self._names = names
        self._environments = environments
        self._clock = clock
        self._journal = journal

        def hint(environment: str, name: str) -> str:
            # modal-semantics 2.1 [observed].
            page = f"https://modal.com/secrets/{workspace}/{environment}/create"
            return f". You can create it here: {page}?secret_name={quote(name)}"

        names.register(Family(SECRET, "st", hint=hint, forget=self._forget))

    def get_or_create(
        self,
        name: str,
        environment: str,
        creation: Creation,
        values: Mapping[str, str],
        required_keys: Collection[str] = (),
        app_id: str = "",
    ) -> Secret:
        """Return the secret that a client asks for; `values` count only where it is written."""
        check_values(values)
        claim = Claim(self._environments.resolve(environment), name, creation, app_id)
        with self._ledger.transaction():
            named, made = self._names.claim(SECRET, claim)
            # Overwriting keeps the id, so that running apps find the new values [guess].
            if made or creation is Creation.CREATE_OVERWRITE_IF_EXISTS:
                self._keep(named.object_id, _Held(dict(values)))
                self._journal.add("secret.written", secret_id=named.object_id, name=named.name)
        secret = self._describe(named)
        missing = [key for key in required_keys if key not in secret.keys]
        if missing:
            # The text is Modal's; its separator and code are guesses (modal-semantics 2.1).
            raise NotFound(f"Secret is missing key(s): {', '.join(missing)}")
        return secret

    def get(self, secret_id: str) -> Secret:
        """Return what may be known of a secret."""
        return self._describe(self._names.get(SECRET, secret_id))

    def list(
        self, environment: str, *, limit: int | None = None, created_before: float | None = None
    ) -> tuple[Secret, ...]:
        """Return the named secrets of an environment, the newest first."""
        environment = self._environments.resolve(environment)
        found = self._names.list(SECRET, environment, limit=limit, created_before=created_before)
        return tuple(self._describe(named) for named in found)

    def update(self, secret_id: str, changes: Mapping[str, str | None]) -> Secret:
        """Merge into a secret; None takes a key away, other keys stay as they are."""
        named = self._names.get(SECRET, secret_id)
        check_values({key: value or "" for key, value in changes.items()})
        held = self._held(named.object_id)
        merged = {**held.values, **changes}
        values = {key: value for key, value in merged.items() if value is not None}
        with self._ledger.transaction():
            self._keep(named.object_id, replace(held, values=values))
        self._journal.add("secret.written", secret_id=named.object_id, name=named.name)
        return self._describe(named)

    def delete(self, secret_id: str) -> None:
        """End a secret; containers that run keep what they got."""
        self._names.drop(SECRET, secret_id)
        self._journal.add("secret.deleted", secret_id=secret_id)

    def environment(self, secret_ids: Iterable[str]) -> dict[str, str]:
        """
        Return the variables of several secrets, and note that they were used.

        The later secret wins a clash (modal-semantics 2.3 [doc]).
        """
        variables: dict[str, str] = {}
        with self._ledger.transaction():
            for secret_id in secret_ids:
                named = self._names.get(SECRET, secret_id)
                held = self._held(named.object_id)
                variables.update(held.values)
                self._keep(named.object_id, replace(held, last_used_at=self._clock.now()))
        return variables

    def values(self, secret_id: str) -> Mapping[str, str]:
        """Return the variables of one secret, for whoever looks for them elsewhere."""
        return dict(self._held(self._names.get(SECRET, secret_id).object_id).values)

    def everything(self) -> tuple[Secret, ...]:
        """Return all there are, also those without a name."""
        return tuple(self.get(secret_id) for secret_id, _ in tuple(self._ledger.all(SECRET)))

    def _describe(self, named: Named) -> Secret:
        held = self._held(named.object_id)
        return Secret(
            secret_id=named.object_id,
            name=named.name,
            environment=named.environment,
            keys=tuple(held.values),
            created_at=named.created_at,
            created_by=named.created_by,
            last_used_at=held.last_used_at,
        )

    def _held(self, secret_id: str) -> _Held:
        value = self._ledger.get(SECRET, secret_id)
        # Nothing is held by a secret that an old id brought back (`births`): it is empty.
        return _Held({}) if value is None else _Held(**json.loads(value))

    def _keep(self, secret_id: str, held: _Held) -> None:
        value = {"values": dict(held.values), "last_used_at": held.last_used_at}
        self._ledger.put(SECRET, secret_id, json.dumps(value).encode())

    def _forget(self, secret_id: str) -> None:
        self._ledger.delete(SECRET, secret_id)


def check_values(values: Mapping[str, str]) -> None:
    """Raise Invalid unless these can be environment variables; the texts are ours [guess]."""
    for key, value in values.items():
        if len(key) > LONGEST_KEY:
            raise Invalid(f"A key of a Secret is longer than {LONGEST_KEY} characters")
        if not _KEY.fullmatch(key):
            # "is invalid for environment variables" is what Modal's other SDKs say.
            raise Invalid(f"Secret key '{key}' is invalid for environment variables")
        if len(value) > LONGEST_VALUE:
            raise Invalid(f"The value of '{key}' is longer than {LONGEST_VALUE} characters")
        if "\0" in value:
            raise Invalid(f"The value of '{key}' contains a NUL character")
