"""
Which objects there are: the registry of names, ids and lives of every kind of object.

A kind (`Family`) says its word and id prefix and what to do when one of its objects is gone. What
an object *is* (a volume's files, a secret's values) is kept by its own room under the same id;
that an object *exists* is decided here alone. Named objects live until they are deleted, ephemeral
ones while someone sends heartbeats, anonymous ones as long as their app.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import Enum

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.ids import Ids
from modal_emulator.store.births import Birth, Births
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.naming import check_name, name_taken, no_such_id, no_such_name

__all__ = [
    "EPHEMERAL_GRACE_S",
    "Claim",
    "Creation",
    "Family",
    "Named",
    "Names",
]

EPHEMERAL_GRACE_S = 900.0
"""
How long an ephemeral object outlives its last heartbeat: three missed ones, as the SDK sends one
every 300 s (modal-semantics 1.9 [sdk]). Modal's own grace is not known [guess].
"""


class Creation(Enum):
    """What a caller wants of an object that is there, or is not."""

    LOOKUP = "lookup"
    CREATE_IF_MISSING = "create if missing"
    CREATE_FAIL_IF_EXISTS = "create, fail if it exists"
    CREATE_OVERWRITE_IF_EXISTS = "create, overwrite if it exists"
    EPHEMERAL = "ephemeral"
    ANONYMOUS = "anonymous, owned by an app"


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of object, such as the volumes."""

    word: str
    """As Modal's messages name it: "Volume"."""
    prefix: str
    """Of its ids: "vo"."""
    hint: Callable[[str, str], str] = lambda environment, name: ""
    """What the not-found message adds, from environment and name."""
    forget: Callable[[str], None] = lambda object_id: None
    """Called inside the transaction that ends an object's life, with its id."""
    remade: Callable[["Named"], None] = lambda named: None
    """Called when an id of an earlier World has made an object again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a client asks for: an object of this environment, by name or without one."""

    environment: str
    name: str = ""
    creation: Creation = Creation.LOOKUP
    app_id: str = ""
    version: int = 0
    """Of the kind's own format, used when the object is made; volumes have 1 and 2."""


@dataclass(frozen=True, slots=True)
class Named:
    """One object that exists; ephemeral and anonymous ones have no name."""

    object_id: str
    kind: str
    environment: str
    name: str
    created_at: float
    created_by: str
    app_id: str = ""
    version: int = 0
    ephemeral: bool = False


class Names:
    """The objects of one World, by id and by name."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        ids: Ids,
        births: Births | None = None,
        grace_s: float = EPHEMERAL_GRACE_S,
        user: str = "",
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._births = births if births is not None else Births()
        self._grace_s = grace_s
        self.user = user
        self._families: dict[str, Family] = {}
        self._objects: dict[str, Named] = {}
        self._by_name: dict[tuple[str, str, str], str] = {}
        self._beats: dict[str, float] = {}
        self._gone = {key for key, _ in ledger.all("gone")}
        self._latest = 0.0
        for _, value in ledger.all("named"):
            self._remember(Named(**json.loads(value)))

    def register(self, family: Family) -> None:
        """Make a kind known; its room does so once, when it is built."""
        self._families[family.word] = family

    def claim(self, kind: str, claim: Claim) -> tuple[Named, bool]:
        """Return the object that a client asks for, and whether it was made just now."""
        self.sweep()
        if claim.creation in (Creation.EPHEMERAL, Creation.ANONYMOUS):
            return self._make(kind, replace(claim, name="")), True
        found = self.find(kind, claim.environment, claim.name)
        if found is None:
            if claim.creation is Creation.LOOKUP:
                hint = self._families[kind].hint(claim.environment, claim.name)
                raise no_such_name(kind, claim.environment, claim.name, hint)
            check_name(kind, claim.name)
            made = self._make(kind, claim)
            self._record_birth(made, claim)
            return made, True
        if claim.creation is Creation.CREATE_FAIL_IF_EXISTS:
            raise name_taken(kind, claim.environment, claim.name)
        self._record_birth(found, claim)
        return found, False

    def find(self, kind: str, environment: str, name: str) -> Named | None:
        """Return the object of this name, if there is one."""
        object_id = self._by_name.get((kind, environment, name))
        return None if object_id is None else self._objects[object_id]

    def get(self, kind: str, object_id: str) -> Named:
        """
        Return the object behind an id.

        An id of an earlier World of the session leads to the object that now has its name, which
        is made again if a user of that id had asked for it to be made when missing. An id whose
        object was deleted in this World leads nowhere, as on Modal (modal-semantics 1.7).
        """
        named = self._objects.get(object_id)
        if named is not None and named.kind == kind and not self._expired(named):
            return named
        birth = self._births.find(object_id)
        if named is not None or birth is None or birth.kind != kind or object_id in self._gone:
            raise no_such_id(kind, object_id)
        creation = Creation.CREATE_IF_MISSING if birth.create_if_missing else Creation.LOOKUP
        claim = Claim(birth.environment, birth.name, creation, version=birth.version)
        found, made = self.claim(kind, claim)
        if made:
            self._families[kind].remade(found)
        return found

    def called(self, object_id: str) -> str:
        """Return the name of an object of any kind, also of an earlier World; empty without one."""
        if (named := self._objects.get(object_id)) is not None:
            return named.name
        birth = self._births.find(object_id)
        return "" if birth is None else birth.name

    def list(
        self,
        kind: str,
        environment: str,
        *,
        limit: int | None = None,
        created_before: float | None = None,
    ) -> tuple[Named, ...]:
        """Return the named objects of an environment, the newest first."""
        found = [
            named
            for named in self._objects.values()
            if named.name
            and (named.kind, named.environment) == (kind, environment)
            and (created_before is None or named.created_at < created_before)
        ]
        found.sort(key=lambda named: named.created_at, reverse=True)
        return tuple(found[:limit])

    def titles(self) -> dict[str, str]:
        """Return the names of all objects that have one, by their ids."""
        return {named.object_id: named.name for named in self._objects.values() if named.name}

    def made_at(self, instant: float) -> bool:
        """Say whether an object was made at exactly this instant; no two share one."""
        return any(named.created_at == instant for named in self._objects.values())

    def rename(self, kind: str, object_id: str, name: str) -> Named:
        """Give an object another name; its id stays (modal-semantics 1.9 [sdk])."""
        old = self.get(kind, object_id)
        if not old.name:
            raise Invalid(f"{kind} '{object_id}' has no name to change")
        if old.name == name:
            return old
        check_name(kind, name)
        if self.find(kind, old.environment, name) is not None:
            raise name_taken(kind, old.environment, name)
        new = replace(old, name=name)
        self._replace(new)
        return new

    def heartbeat(self, kind: str, object_id: str) -> None:
        """Keep an ephemeral object alive for another grace."""
        named = self.get(kind, object_id)
        if named.ephemeral:
            self._beats[named.object_id] = self._clock.lived()

    def drop(self, kind: str, object_id: str) -> None:
        """End an object's life; its id will lead nowhere in this World."""
        self._drop(self.get(kind, object_id))

    def drop_app(self, app_id: str) -> None:
        """End the lives of the anonymous objects that an app owned."""
        self._drop_all(n for n in self._objects.values() if app_id and n.app_id == app_id)

    def drop_environment(self, environment: str) -> None:
        """End the lives of all objects of an environment."""
        self._drop_all(n for n in self._objects.values() if n.environment == environment)

    def move_environment(self, old: str, new: str) -> None:
        """Let all objects of an environment follow its new name."""
        with self._ledger.transaction():
            for named in [n for n in self._objects.values() if n.environment == old]:
                self._replace(replace(named, environment=new))

    def sweep(self) -> None:
        """
        End the lives of ephemeral objects whose heartbeats stopped longer ago than the grace.

        Claims do so as well; whoever has a timer may do it in time.
        """
        ephemeral = (self._objects[object_id] for object_id in self._beats)
        self._drop_all(named for named in ephemeral if self._expired(named))

    # ---------------------------------------------------------------- inside

    def _make(self, kind: str, claim: Claim) -> Named:
        family = self._families[kind]
        named = Named(
            object_id=self._new_id(family, claim),
            kind=kind,
            environment=claim.environment,
            name=claim.name,
            created_at=self._instant(),
            created_by=self.user,
            app_id=claim.app_id if claim.creation is Creation.ANONYMOUS else "",
            version=claim.version,
            ephemeral=claim.creation is Creation.EPHEMERAL,
        )
        with self._ledger.transaction():
            self._save(named)
            self._ledger.on_rollback(lambda: self._forget(named))
            self._remember(named)
        return named

    def _new_id(self, family: Family, claim: Claim) -> str:
        if not claim.name:
            return self._ids.mint(family.prefix)
        stable = self._ids.stable(family.prefix, claim.environment, claim.name)
        # A name that was deleted or renamed and is used again is another object: ids that
        # deployed apps pinned must not lead to it (modal-semantics 9, point 29 [doc]).
        used = stable in self._objects or stable in self._gone
        return self._ids.mint(family.prefix) if used else stable

    def _instant(self) -> float:
        # No two objects share an instant: clients fetch the next page of a listing by
        # "created before the last one", so twins at the edge of a page would be lost.
        self._latest = max(self._clock.now(), self._latest + 1e-6)
        return self._latest

    def _record_birth(self, named: Named, claim: Claim) -> None:
        wanted = claim.creation is Creation.CREATE_IF_MISSING
        birth = Birth(named.kind, named.environment, named.name, wanted, named.version)
        self._births.record(named.object_id, birth)

    def _expired(self, named: Named) -> bool:
        return (
            named.ephemeral and self._clock.lived() - self._beats[named.object_id] > self._grace_s
        )

    def _replace(self, new: Named) -> None:
        old = self._objects[new.object_id]
        with self._ledger.transaction():
            self._save(new)
            self._ledger.on_rollback(lambda: self._swap(new, old))
            self._swap(old, new)

    def _swap(self, old: Named, new: Named) -> None:
        self._by_name.pop((old.kind, old.environment, old.name), None)
        self._objects[new.object_id] = new
        if new.name:
            self._by_name[new.kind, new.environment, new.name] = new.object_id

    def _drop_all(self, objects: Iterator[Named]) -> None:
        doomed = list(objects)
        if not doomed:
            return
        with self._ledger.transaction():
            for named in doomed:
                self._drop(named)

    def _drop(self, named: Named) -> None:
        with self._ledger.transaction():
            self._ledger.delete("named", named.object_id)
            self._ledger.on_rollback(lambda: self._revive(named))
            self._forget(named)
            if named.name:  # the ids of nameless objects cannot come again
                self._ledger.put("gone", named.object_id, b"")
                self._gone.add(named.object_id)
            self._families[named.kind].forget(named.object_id)

    def _save(self, named: Named) -> None:
        self._ledger.put("named", named.object_id, json.dumps(asdict(named)).encode())

    def _remember(self, named: Named) -> None:
        self._objects[named.object_id] = named
        self._latest = max(self._latest, named.created_at)
        if named.name:
            self._by_name[named.kind, named.environment, named.name] = named.object_id
        if named.ephemeral:
            # Heartbeats are not written down: after a restart their senders get a whole grace.
            self._beats[named.object_id] = self._clock.lived()

    def _forget(self, named: Named) -> None:
        self._objects.pop(named.object_id, None)
        self._by_name.pop((named.kind, named.environment, named.name), None)
        self._beats.pop(named.object_id, None)

    def _revive(self, named: Named) -> None:
        self._gone.discard(named.object_id)
        self._remember(named)
