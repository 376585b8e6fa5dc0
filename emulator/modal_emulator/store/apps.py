"""
Apps and the functions they are made of.

A function is its SDK definition (opaque bytes) beside the few facts that the floors above act on.
Deployed apps are kept in the ledger and come back after a restart; ephemeral ones end with the
server. Ids of deployed apps follow from their name, so a handle from an earlier World finds the
app that was deployed again under it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names
from modal_emulator.store.schedules import Schedule, schedule_from, schedule_record

__all__ = ["App", "AppState", "Apps", "Function", "FunctionSpec", "VolumeUse"]


class AppState(Enum):
    """The numbers are those of Modal's AppState."""

    EPHEMERAL = 1
    DETACHED = 2
    DEPLOYED = 3
    STOPPING = 4
    STOPPED = 5
    INITIALIZING = 6


LIVE = frozenset({AppState.EPHEMERAL, AppState.DETACHED, AppState.DEPLOYED, AppState.INITIALIZING})


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """A volume at a path, as a function asks for it."""

    volume_id: str
    path: str
    read_only: bool = False
    sub_path: str = ""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What the emulator acts on in a function's definition; times in seconds."""

    image_id: str = ""
    mount_ids: tuple[str, ...] = ()
    secret_ids: tuple[str, ...] = ()
    volumes: tuple[VolumeUse, ...] = ()
    min_containers: int = 0
    max_containers: int = 0
    buffer_containers: int = 0
    scaledown_window: float = 0.0
    timeout: float = 0.0
    startup_timeout: float = 0.0
    max_inputs_at_once: int = 1
    batch_size: int = 0
    single_use: bool = False
    retries: int = 0
    retry_delay: float = 1.0
    retry_backoff: float = 1.0
    retry_delay_limit: float = 60.0
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function of an app, or a variant of one with bound parameters or options."""

    function_id: str
    app_id: str
    tag: str
    definition: bytes = field(default=b"", repr=False)
    spec: FunctionSpec = FunctionSpec()
    parameters: bytes = field(default=b"", repr=False)
    base_id: str = ""
    """The function that this is a variant of; empty for the function itself."""


@dataclass(frozen=True, slots=True)
class App:
    """An app; times are seconds since 1970, 0 for never."""

    app_id: str
    description: str
    environment: str
    state: AppState
    created_at: float
    name: str = ""
    """Set once deployed."""
    version: int = 0
    deployed_at: float = 0.0
    stopped_at: float = 0.0
    function_ids: Mapping[str, str] = field(default_factory=dict)
    class_ids: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    deployments: tuple[tuple[int, float, str], ...] = ()
    """Version, instant and tag of each deployment, oldest first."""

    @property
    def live(self) -> bool:
        """True until the app is stopped."""
        return self.state in LIVE


class Apps:
    """Keeps apps and functions."""

    def __init__(
        self, ledger: Ledger, names: Names, environments: Environments, clock: Clock, ids: Ids
    ) -> None:
        self._ledger = ledger
        self._names = names
        self._environments = environments
        self._clock = clock
        self._ids = ids
        self._apps: dict[str, App] = {}
        self._functions: dict[str, Function] = {}
        self._proposed: dict[str, Function] = {}
        self._listeners: list[Callable[[App], None]] = []
        for _, value in ledger.all("app"):
            app = _app_from(value)
            self._apps[app.app_id] = app
        for _, value in ledger.all("function"):
            function = _function_from(value)
            self._functions[function.function_id] = function

    def create(
        self, description: str, environment: str, state: AppState, tags: Mapping[str, str]
    ) -> App:
        """Begin an app; nothing of it runs yet."""
        environment = self._environments.get(environment).name
        # A deployment is created as `initializing` under the name it will be published with.
        if state is AppState.INITIALIZING:
            app_id = self._ids.stable("ap", environment, description)
            known = self._apps.get(app_id)
            # One whose deployment never came to its end is begun anew; a stopped one stays stopped.
            if known is not None and known.state is not AppState.INITIALIZING:
                app_id = self._ids.mint("ap")
        else:
            app_id = self._ids.mint("ap")
        app = App(app_id, description, environment, state, self._clock.now(), tags=dict(tags))
        self._apps[app_id] = app
        return app

    def get(self, app_id: str) -> App:
        """Return the app."""
        app = self._apps.get(app_id)
        if app is None:
            raise NotFound(f"No App with ID '{app_id}' found")
        return app

    def deployed(self, name: str, environment: str) -> App:
        """
        Return the app deployed under this name.

        Raises:
            NotFound: text observed on Modal (modal-semantics 8.1).
        """
        environment = self._environments.get(environment).name
        for app in self._apps.values():
            if app.live and app.name == name and app.environment == environment:
                return app
        raise NotFound(f"App '{name}' not found in environment '{environment}'")

    def stopped(self, name: str, environment: str) -> App | None:
        """Return the app that was stopped last under this name, if there is one."""
        environment = self._environments.get(environment).name
        past = [
            a
            for a in self._apps.values()
            if not a.live and a.name == name and a.environment == environment
        ]
        return max(past, key=lambda a: a.stopped_at, default=None)

    def in_environment(self, environment: str) -> list[App]:
        """Return the apps of an environment, newest first."""
        environment = self._environments.get(environment).name
        found = [a for a in self._apps.values() if a.environment == environment]
        return sorted(found, key=lambda a: a.created_at, reverse=True)

    def publish(
        self,
        app_id: str,
        state: AppState,
        *,
        name: str,
        tag: str,
        function_ids: Mapping[str, str],
        class_ids: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> App:
        """Make these the functions of the app; a deployment gets a version."""
        old = self.get(app_id)
        now = self._clock.now()
        app = replace(
            old, function_ids=dict(function_ids), class_ids=dict(class_ids), tags=dict(tags)
        )
        if state is AppState.DEPLOYED:
            version = old.version + 1
            app = replace(
                app,
                state=state,
                name=name or old.name or old.description,
                version=version,
                deployed_at=now,
                stopped_at=0.0,
                deployments=(*old.deployments, (version, now, tag)),
            )
        else:
            app = replace(app, state=state)
        for function_id in app.function_ids.values():
            if function_id in self._proposed:
                self._functions[function_id] = self._proposed.pop(function_id)
        self._keep(app)
        self._tell(app)
        return app

    def listen(self, listener: Callable[[App], None]) -> None:
        """Call `listener` with each app that is published or stopped from now on."""
        self._listeners.append(listener)

    def live(self) -> list[App]:
        """Return all apps that are not stopped."""
        return [app for app in self._apps.values() if app.live]

    def set_tags(self, app_id: str, tags: Mapping[str, str]) -> None:
        """Replace the app's tags."""
        self._keep(replace(self.get(app_id), tags=dict(tags)))

    def stop(self, app_id: str) -> App:
        """End the app and the anonymous secrets it owned; its name is free again."""
        app = replace(self.get(app_id), state=AppState.STOPPED, stopped_at=self._clock.now())
        with self._ledger.transaction():
            self._keep(app)
            self._names.drop_app(app_id)
        self._tell(app)
        return app

    def reserve_function(self, app_id: str, tag: str, existing_id: str) -> str:
        """Return the id that a function of this app will have."""
        app = self.get(app_id)
        if existing_id:
            return existing_id
        return self._ids.stable("fu", app.app_id, tag)

    def reserve_class(self, app_id: str, existing_id: str) -> str:
        """Return an id for a class of this app; its name comes with the publication."""
        self.get(app_id)
        return existing_id or self._ids.mint("cs")

    def put_function(self, function: Function) -> None:
        """Keep a function; durable once its app is deployed."""
        self._functions[function.function_id] = function
        app = self._apps.get(function.app_id)
        if app is not None and app.state is AppState.DEPLOYED:
            self._ledger.put("function", function.function_id, _function_bytes(function))

    def propose_function(self, function: Function) -> None:
        """Keep a function for the next publication; a deployed one stays what it is until then."""
        app = self.get(function.app_id)
        if app.state is AppState.DEPLOYED and function.function_id in app.function_ids.values():
            self._proposed[function.function_id] = function
        else:
            self.put_function(function)

    def proposed(self, function_id: str) -> Function | None:
        """Return a function as the next publication would make it."""
        return self._proposed.get(function_id) or self._functions.get(function_id)

    def function(self, function_id: str) -> Function:
        """Return the function."""
        function = self._functions.get(function_id)
        if function is None:
            raise NotFound(f"No Function with ID '{function_id}' found")
        return function

    def find(self, app_name: str, tag: str, environment: str) -> Function:
        """Return a function of a deployed app by its tag."""
        app = self.deployed(app_name, environment)
        function_id = app.function_ids.get(tag)
        if function_id is None:
            # The server's text is unknown; the SDK puts its own words around it [guess].
            raise NotFound(f"Function '{tag}' not found in App '{app_name}'")
        return self.function(function_id)

    def _keep(self, app: App) -> None:
        self._apps[app.app_id] = app
        if not app.name:
            return
        with self._ledger.transaction():
            self._ledger.put("app", app.app_id, _app_bytes(app))
            for function in self._published(app):
                self._ledger.put("function", function.function_id, _function_bytes(function))

    def _tell(self, app: App) -> None:
        for listener in tuple(self._listeners):
            listener(app)

    def _published(self, app: App) -> Iterable[Function]:
        return (
            self._functions[i]
            for i in app.function_ids.values()
            if app.live and i in self._functions
        )


def _app_bytes(app: App) -> bytes:
    return json.dumps({**asdict(app), "state": app.state.value}).encode()


def _app_from(value: bytes) -> App:
    record = json.loads(value)
    record["state"] = AppState(record["state"])
    record["deployments"] = tuple((v, at, tag) for v, at, tag in record["deployments"])
    return App(**record)


def _function_bytes(function: Function) -> bytes:
    record = asdict(function)
    record["definition"] = function.definition.hex()
    record["parameters"] = function.parameters.hex()
    record["spec"]["schedule"] = schedule_record(function.spec.schedule)
    return json.dumps(record).encode()


def _function_from(value: bytes) -> Function:
    record = json.loads(value)
    spec = record["spec"]
    spec["volumes"] = tuple(VolumeUse(**v) for v in spec["volumes"])
    spec["mount_ids"] = tuple(spec["mount_ids"])
    spec["secret_ids"] = tuple(spec["secret_ids"])
    spec.pop("scheduled", None)  # older ledgers say no more than that there was a schedule
    spec["schedule"] = schedule_from(spec.get("schedule", []))
    record["spec"] = FunctionSpec(**spec)
    record["definition"] = bytes.fromhex(record["definition"])
    record["parameters"] = bytes.fromhex(record["parameters"])
    return Function(**record)
