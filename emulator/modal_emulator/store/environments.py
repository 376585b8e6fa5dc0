"""
The environments of the workspace: the outermost part of every name.

There is always a default one, `main` at first. Renaming one takes its objects along, deleting one
ends them; how that is done for each kind of object is not known here but in `names`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import AlreadyExists, Conflict, Exhausted, Invalid, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names

__all__ = ["DEFAULT", "MOST", "Environment", "Environments", "Settings", "check_environment_name"]

DEFAULT = "main"  # modal-semantics 7 [doc]
MOST = 1500  # modal-semantics 7 [doc]

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,63}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can set; it is kept and shown, and decides nothing here."""

    web_suffix: str = ""
    image_builder_version: str | None = None
    max_concurrent_tasks: int | None = None
    max_concurrent_gpus: int | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment."""

    environment_id: str
    name: str
    created_at: float
    default: bool
    settings: Settings = Settings()


def check_environment_name(name: str) -> None:
    """Raise Invalid unless a new environment may have this name (modal-semantics 7 [sdk])."""
    if not _NAME.fullmatch(name) or name.lower().startswith("en-"):
        raise Invalid(
            f"Invalid Environment name: '{name}'.\n\n"
            "Environment names must be 1-64 characters, can only start with alphanumeric "
            "characters, may contain only alphanumeric characters, dashes, and underscores, "
            "and cannot start with 'en-'."
        )


class Environments:
    """The environments of one World."""

    def __init__(self, ledger: Ledger, names: Names, clock: Clock, ids: Ids) -> None:
        self._ledger = ledger
        self._names = names
        self._clock = clock
        self._ids = ids
        self._environments: dict[str, Environment] = {}
        for _, value in ledger.all("environment"):
            fields = json.loads(value)
            found = Environment(**{**fields, "settings": Settings(**fields["settings"])})
            self._environments[found.name] = found
        if not self._environments:
            self._make(DEFAULT, default=True, settings=Settings())

    def list(self) -> tuple[Environment, ...]:
        """Return all environments: the default one, then the others from the oldest on."""
        order = sorted(self._environments.values(), key=lambda e: (e.created_at, e.name))
        return tuple(sorted(order, key=lambda e: not e.default))

    @property
    def default(self) -> Environment:
        """The environment of those who name none."""
        return next(e for e in self._environments.values() if e.default)

    def get(self, name: str) -> Environment:
        """Return an environment by its name or id; "" is the default one."""
        if not name:
            return self.default
        found = self._environments.get(name) or self._by_id(name)
        if found is None:
            raise NotFound(f"Environment '{name}' not found")  # modal-semantics 7 [observed]
        return found

    def resolve(self, name: str) -> str:
        """Return the name of the environment that a client means."""
        return self.get(name).name

    def create(self, name: str, settings: Settings | None = None) -> Environment:
        """Make an environment."""
        check_environment_name(name)
        if name in self._environments:
            # The text follows the secrets' [guess].
            raise AlreadyExists(f"Environment '{name}' already exists")
        if len(self._environments) >= MOST:
            raise Exhausted(f"A workspace can have at most {MOST} environments")  # [guess]
        # The docs call the suffix part of the URL of web functions; that it starts as the name in
        # URL characters is a guess.
        suffix = re.sub("[^a-z0-9-]", "-", name.lower())
        return self._make(name, default=False, settings=settings or Settings(web_suffix=suffix))

    def get_or_create(self, name: str) -> Environment:
        """Return the environment, made if it is missing."""
        try:
            return self.get(name)
        except NotFound:
            return self.create(name)

    def update(
        self, current: str, *, name: str | None = None, settings: Settings | None = None
    ) -> Environment:
        """Rename an environment, or change its settings; None leaves a part as it is."""
        old = self.get(current)
        new = replace(old, name=name or old.name, settings=settings or old.settings)
        if new.name == old.name:
            return self._replace(old, new)
        check_environment_name(new.name)
        if new.name in self._environments:
            raise AlreadyExists(f"Environment '{new.name}' already exists")
        with self._ledger.transaction():
            self._replace(old, new)
            self._names.move_environment(old.name, new.name)
        return new

    def deletable(self, name: str) -> Environment:
        """
        Return an environment that may be deleted.

        Raises:
            Conflict: it is the default one.
        """
        found = self.get(name)
        if found.default:
            # What Modal does here is not known; without a default no lookup could be answered.
            raise Conflict(f"Environment '{found.name}' is the default and cannot be deleted")
        return found

    def delete(self, name: str) -> None:
        """End an environment and everything that has a name in it."""
        old = self.deletable(name)
        with self._ledger.transaction():
            self._names.drop_environment(old.name)
            self._ledger.delete("environment", old.environment_id)
            self._ledger.on_rollback(self._putter(old))
            del self._environments[old.name]

    def _by_id(self, environment_id: str) -> Environment | None:
        matches = (e for e in self._environments.values() if e.environment_id == environment_id)
        return next(matches, None)

    def _make(self, name: str, *, default: bool, settings: Settings) -> Environment:
        stable = self._ids.stable("en", name)
        environment = Environment(
            environment_id=self._ids.mint("en") if self._by_id(stable) else stable,
            name=name,
            created_at=self._clock.now(),
            default=default,
            settings=settings,
        )
        self._save(environment)
        self._environments[name] = environment
        return environment

    def _replace(self, old: Environment, new: Environment) -> Environment:
        with self._ledger.transaction():
            self._save(new)
            self._ledger.on_rollback(self._putter(old, new.name))
            del self._environments[old.name]
            self._environments[new.name] = new
        return new

    def _putter(self, environment: Environment, instead_of: str = "") -> Callable[[], None]:
        def put_back() -> None:
            self._environments.pop(instead_of, None)
            self._environments[environment.name] = environment

        return put_back

    def _save(self, environment: Environment) -> None:
        value = json.dumps(asdict(environment)).encode()
        self._ledger.put("environment", environment.environment_id, value)
