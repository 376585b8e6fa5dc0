"""
Apps: begun, deployed and deployed again, looked up, stopped.

Deployed apps are kept in the ledger and come back after a restart; ephemeral ones end with the
server. Ids of deployed apps follow from their name, so a handle from an earlier World finds the
app that was deployed again under it. What a function is, is said in `functions`; what is defined
for a publication that has not come waits in `proposals`; earlier versions are in `deployments`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.app import App, AppState, app_bytes, app_from
from modal_emulator.store.deployments import (
    Author,
    Deployment,
    DeploymentKind,
    Deployments,
    Layout,
)
from modal_emulator.store.environments import Environments
from modal_emulator.store.functions import (
    Function,
    FunctionSpec,
    VolumeUse,
    function_bytes,
    function_from,
)
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names
from modal_emulator.store.proposals import Proposals

__all__ = ["App", "AppState", "Apps", "Function", "FunctionSpec", "VolumeUse"]

NONE: Mapping[str, str] = MappingProxyType({})
NOBODY = Author()


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
        self.deployments = Deployments(ledger)
        self._proposals = Proposals()
        self._apps: dict[str, App] = {}
        self._functions: dict[str, Function] = {}
        self._past: dict[str, Function] = {}
        self._listeners: list[Callable[[App], None]] = []
        for _, value in ledger.all("function"):
            function = function_from(value)
            self._functions[function.function_id] = function
        for _, value in ledger.all("app"):
            self._take_up(json.loads(value))

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
        past = [a for a in self.in_environment(environment) if not a.live and a.name == name]
        return max(past, key=lambda a: a.stopped_at, default=None)

    def in_environment(self, environment: str) -> list[App]:
        """Return the apps of an environment, newest first."""
        environment = self._environments.get(environment).name
        found = [a for a in self._apps.values() if a.environment == environment]
        return sorted(found, key=lambda a: a.created_at, reverse=True)

    def live(self) -> list[App]:
        """Return all apps that are not stopped."""
        return [app for app in self._apps.values() if app.live]

    def listen(self, listener: Callable[[App], None]) -> None:
        """Call `listener` with each app that is published or stopped from now on."""
        self._listeners.append(listener)

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
        definition_ids: Mapping[str, str] = NONE,
        author: Author = NOBODY,
        staged: bool = False,
    ) -> App:
        """
        Make these the functions of the app; a deployment gets a version, a staged one no more.

        Raises:
            Conflict: another publication came since these functions were defined.
            NotFound: a function was never defined, or is gone by now.
        """
        old = self.get(app_id)
        layout = Layout(dict(function_ids), dict(class_ids), dict(tags))
        ids = layout.function_ids.values()
        chosen = self._proposals.chosen(ids, definition_ids, self.deployments.latest(app_id))
        functions = [chosen.get(i) or self._known(i) for i in ids]
        if state is not AppState.DEPLOYED:
            app = self._publish(replace(old, state=state), layout, functions, None)
        else:
            kind = DeploymentKind.STAGED if staged else DeploymentKind.STANDARD
            new = Deployment(0, 0.0, kind, tag, author, layout=layout)
            named = replace(old, state=state, name=name or old.name or old.description)
            app = self._publish(named, layout, functions, new)
        self._proposals.drop(ids, definition_ids)
        return app

    def deploy_again(
        self, app_id: str, version: int, kind: DeploymentKind, author: Author = NOBODY
    ) -> App:
        """Make an earlier version, or the present one once more, the newest."""
        old = self.get(app_id)
        target = self.deployments.get(app_id, version)
        new = replace(target, kind=kind, again=version, author=author)
        return self._publish(old, target.layout, self.deployments.functions(target), new)

    def set_tags(self, app_id: str, tags: Mapping[str, str]) -> None:
        """Replace the app's tags."""
        self._keep(replace(self.get(app_id), tags=dict(tags)))

    def set_state(self, app_id: str, state: AppState) -> App:
        """Let an app be in another state of its life."""
        app = replace(self.get(app_id), state=state)
        self._keep(app)
        return app

    def stop(self, app_id: str, by: str = "") -> App:
        """End the app and the anonymous secrets it owned; its name is free again."""
        old = self.get(app_id)
        now = self._clock.now()
        app = replace(old, state=AppState.STOPPED, stopped_at=now, stopped_by=by)
        with self._ledger.transaction():
            self._keep(app)
            self._names.drop_app(app_id)
        self._tell(app)
        return app

    def move_environment(self, old: str, new: str) -> None:
        """Let the apps of an environment follow its new name."""
        with self._ledger.transaction():
            for app in [a for a in self._apps.values() if a.environment == old]:
                self._keep(replace(app, environment=new))

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
            self._ledger.put("function", function.function_id, function_bytes(function))

    def propose_function(self, function: Function) -> Function:
        """Keep a function for the next publication; a deployed one stays what it is until then."""
        app = self.get(function.app_id)
        proposed = replace(function, definition_id=self._ids.mint("de"))
        if app.state in (AppState.DEPLOYED, AppState.INITIALIZING):
            self._proposals.put(proposed, self.deployments.latest(app.app_id))
        else:
            self.put_function(proposed)
        if function.function_id not in app.function_ids.values():
            self._functions[function.function_id] = proposed
        return proposed

    def proposed(
        self, function_ids: Iterable[str], definition_ids: Mapping[str, str] = NONE
    ) -> list[Function]:
        """Return functions as the next publication would make them."""
        found = (
            self._proposals.newest(i, definition_ids.get(i, "")) or self._functions.get(i)
            for i in function_ids
        )
        return [function for function in found if function is not None]

    def function(self, function_id: str) -> Function:
        """Return the function."""
        function = self._functions.get(function_id)
        if function is None:
            raise NotFound(f"No Function with ID '{function_id}' found")
        return function

    def past(self, function_id: str) -> Function:
        """Return the function, be it one that its app has no more: calls of it are remembered."""
        return self._functions.get(function_id) or self._past.get(function_id) or _NO_FUNCTION

    def layout(self, app_id: str, version: int = 0) -> Layout:
        """Return the functions and classes that an app has, or had in a version."""
        if version:
            return self.deployments.get(app_id, version).layout
        app = self.get(app_id)
        return Layout(app.function_ids, app.class_ids, app.tags)

    def variants(self, app_id: str) -> list[Function]:
        """Return the variants of an app's functions in production."""
        return [
            f
            for f in self._functions.values()
            if f.app_id == app_id and f.base_id and not f.version
        ]

    def find(self, app_name: str, tag: str, environment: str, version: int = 0) -> Function:
        """Return a function of a deployed app by its tag, as it is, or for good as it was."""
        app = self.deployed(app_name, environment)
        if version:
            return self._pinned(app, tag, self.deployments.get(app.app_id, version))
        function_id = app.function_ids.get(tag)
        if function_id is None:
            raise _no_function(tag, app_name)
        return self.function(function_id)

    def _pinned(self, app: App, tag: str, deployment: Deployment) -> Function:
        """Return a function as a version had it, under an id of its own."""
        for function in self.deployments.functions(deployment):
            if function.function_id != deployment.layout.function_ids.get(tag):
                continue
            number = str(deployment.version)
            pinned_id = self._ids.stable("fu", function.function_id, "version", number)
            pinned = replace(function, function_id=pinned_id, version=deployment.version)
            if self._functions.get(pinned_id) != pinned:
                self.put_function(pinned)
            return pinned
        raise _no_function(tag, app.name)

    def _publish(
        self,
        app: App,
        layout: Layout,
        functions: Iterable[Function],
        deployment: Deployment | None,
    ) -> App:
        """Make an app, its functions and its deployment true together, or nothing of it."""
        now, functions = self._clock.now(), tuple(functions)
        is_staged = deployment is not None and deployment.kind is DeploymentKind.STAGED
        if not is_staged:
            app = _laid_out(app, layout, now)
        with self._ledger.transaction():
            if deployment is not None:
                version = self.deployments.latest(app.app_id) + 1
                new = replace(deployment, version=version, at=now)
                self.deployments.add(app.app_id, new, functions)
                if not is_staged:
                    app = replace(app, version=version, deployed_at=now, stopped_at=0.0)
            if not is_staged:
                self._install(app, functions)
            self._keep(app)
        if not is_staged:
            self._tell(app)
        return app

    def _install(self, app: App, functions: Iterable[Function]) -> None:
        """Put functions in the place of those that the app had."""
        old = self._functions
        there = {**old, **{f.function_id: f for f in functions}}
        kept = set(app.function_ids.values())
        for function in tuple(there.values()):
            gone = function.app_id == app.app_id and not function.version
            if gone and _root(there, function) not in kept:
                self._past[function.function_id] = there.pop(function.function_id)
                self._ledger.delete("function", function.function_id)
        self._functions = there
        self._ledger.on_rollback(lambda: setattr(self, "_functions", old))

    def _keep(self, app: App) -> None:
        old = self._apps.get(app.app_id)
        with self._ledger.transaction():
            if app.name:
                self._ledger.put("app", app.app_id, app_bytes(app))
                for function in self._published(app):
                    self._ledger.put("function", function.function_id, function_bytes(function))
            if old is not None:
                self._ledger.on_rollback(lambda: self._apps.update({app.app_id: old}))
            self._apps[app.app_id] = app

    def _known(self, function_id: str) -> Function:
        function = self._functions.get(function_id)
        if function is None:
            # The words were seen where deployments raced (modal-semantics 5 [observed]).
            raise NotFound(f"Function {function_id} not found")
        return function

    def _take_up(self, record: dict[str, Any]) -> None:
        """Remember an app that was kept."""
        older = record.pop("deployments", [])  # where older emulators kept what they knew of them
        app = app_from(record)
        self._apps[app.app_id] = app
        if older and not self.deployments.of(app.app_id):
            layout = Layout(app.function_ids, app.class_ids, app.tags)
            with self._ledger.transaction():
                self.deployments.adopt(app.app_id, older, layout, self._published(app))

    def _tell(self, app: App) -> None:
        for listener in tuple(self._listeners):
            listener(app)

    def _published(self, app: App) -> Iterable[Function]:
        return [
            self._functions[i]
            for i in app.function_ids.values()
            if app.live and i in self._functions
        ]


_NO_FUNCTION = Function("", "", "a function that is gone")


def _no_function(tag: str, app_name: str) -> NotFound:
    # The server's text is unknown; the SDK puts its own words around it [guess].
    return NotFound(f"Function '{tag}' not found in App '{app_name}'")


def _root(functions: Mapping[str, Function], function: Function) -> str:
    """Return the function that this is a variant of, or a variant of a variant."""
    while function.base_id in functions:
        function = functions[function.base_id]
    return function.base_id or function.function_id


def _laid_out(app: App, layout: Layout, now: float) -> App:
    return replace(
        app,
        function_ids=layout.function_ids,
        class_ids=layout.class_ids,
        tags=layout.tags,
        published_at=now,
    )
