"""
Who has which address on the web.

Each endpoint has a name by Modal's rules and a port of its own on loopback; both stay what they are
from one deployment to the next, and the port is found again after a restart. Who answers at an
address is decided when an app is published. It knows no HTTP: who listens is behind `Ports`.
"""

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from modal_emulator.ground.errors import AlreadyExists, NotFound
from modal_emulator.store.apps import App, Apps, AppState, Function
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.web import WebEndpoint, label_of, subdomain_of

__all__ = ["DOMAIN", "EVERY", "Address", "Addresses", "Ports", "WebAddresses", "WebRecord"]

DOMAIN = "modal.run"

EVERY = "*"
"""In place of a name: whoever is asked for by the name of their host."""

_KIND = "web_port"
_DEPLOYED = frozenset({AppState.INITIALIZING, AppState.DEPLOYED})


class Addresses(Enum):
    """Which form of an address the SDK is given."""

    LOOPBACK = "loopback"
    """A port on this machine, which every client reaches at once."""
    MODAL = "modal"
    """The name that it would have on Modal, which clients have to be led here for."""


class Ports(Protocol):
    """Where somebody listens for an address."""

    def take(self, subdomain: str, wished: int) -> int:
        """Listen for this name, on the wished port if it is free; return which one it is."""
        ...

    def origin(self, port: int) -> str:
        """Return the base of the URLs at a port."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """An address and whose it is."""

    subdomain: str
    function_id: str
    endpoint: WebEndpoint
    port: int
    truncated: bool = False
    stolen: bool = False
    """Another app has it until this one is published."""

    @property
    def host(self) -> str:
        """The whole name."""
        return f"{self.subdomain}.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class WebRecord:
    """A web function that is answered, as it is told to people."""

    app: str
    function: str
    """With a class's name before that of its method."""
    environment: str
    label: str
    """The first part of the name."""
    modal_url: str
    loopback_url: str
    proxy_auth: bool


class WebAddresses:
    """The addresses of one World."""

    def __init__(
        self,
        ledger: Ledger,
        apps: Apps,
        environments: Environments,
        ports: Ports,
        workspace: str,
        given: Addresses,
    ) -> None:
        self._ledger = ledger
        self._apps = apps
        self._environments = environments
        self._ports = ports
        self._workspace = workspace
        self._given = given
        self._held: dict[str, Address] = {}
        self._known = {name: int(json.loads(value)) for name, value in ledger.all(_KIND)}
        self.port_by_name = 0
        """Where all are answered by their names, if those are what clients are given."""
        if given is Addresses.MODAL:
            self.port_by_name = ports.take(EVERY, self._known.get(EVERY, 0))
            self._remember(EVERY, self.port_by_name)
        for app in apps.live():
            self._published(app)
        apps.listen(self._published)

    def check(self, function: Function) -> None:
        """
        See that a function may have the addresses that it asks for.

        Raises:
            Invalid: a label is none.
            AlreadyExists: a deployed app has the address; that Modal refuses this is a guess.
        """
        app = self._apps.get(function.app_id)
        for address in self.addresses(function):
            holder = self._holder(address.subdomain, app)
            if holder is not None and holder.state in _DEPLOYED:
                raise AlreadyExists(
                    f"The web address '{address.host}' is already in use by the App '{holder.name}'"
                )

    def addresses(self, function: Function) -> list[Address]:
        """
        Return which addresses a function, or a variant of it, gets once its app is published.

        Of two ephemeral apps the newer one takes the address away from the other.
        """
        app = self._apps.get(function.app_id)
        owner = function.base_id or function.function_id
        return [self._address(app, owner, endpoint) for endpoint in function.spec.web]

    def urls(self, function: Function) -> dict[str, str]:
        """Return the URLs that the SDK is given for a function, or a variant of it, by method."""
        found = self.addresses(function)
        return {address.endpoint.method: self.url(address) for address in found}

    def find(self, subdomain: str) -> Address | None:
        """Return who answers for a name now, if anybody does."""
        return self._held.get(subdomain)

    def all(self) -> list[Address]:
        """Return all addresses that are answered, by name."""
        return [address for _, address in sorted(self._held.items())]

    def records(self) -> list[WebRecord]:
        """Return all that are answered, by name, in the words of people."""
        return [self._record(address) for address in self.all()]

    def url(self, address: Address) -> str:
        """Return the URL that the SDK is given."""
        if self._given is Addresses.MODAL:
            return f"https://{address.host}"
        return self.loopback(address)

    def loopback(self, address: Address) -> str:
        """Return the URL that works on this machine."""
        return self._ports.origin(address.port)

    def _address(self, app: App, function_id: str, endpoint: WebEndpoint) -> Address:
        deployed = app.state in _DEPLOYED
        label = label_of(endpoint, app.name or app.description, ephemeral=not deployed)
        suffix = self._environments.get(app.environment).settings.web_suffix
        subdomain = subdomain_of(self._workspace, suffix, label)
        port = self._ports.take(subdomain.name, self._known.get(subdomain.name, 0))
        self._known[subdomain.name] = port
        stolen = self._holder(subdomain.name, app) is not None
        return Address(subdomain.name, function_id, endpoint, port, subdomain.truncated, stolen)

    def _record(self, address: Address) -> WebRecord:
        function = self._apps.function(address.function_id)
        app = self._apps.get(function.app_id)
        name = function.tag.removesuffix(".*")
        method = address.endpoint.method
        return WebRecord(
            app.name or app.description,
            f"{name}.{method}" if method else name,
            app.environment,
            address.subdomain,
            f"https://{address.host}",
            self.loopback(address),
            address.endpoint.proxy_auth,
        )

    def _holder(self, subdomain: str, other: App) -> App | None:
        """Return the app that answers at a name, if it is not this one."""
        held = self._held.get(subdomain)
        if held is None:
            return None
        holder = self._apps.get(self._apps.function(held.function_id).app_id)
        return holder if holder.live and holder.app_id != other.app_id else None

    def _published(self, app: App) -> None:
        """Let an app have what it has come to be published with, and nothing else."""
        for name, address in tuple(self._held.items()):
            if self._is_of(address, app):
                del self._held[name]
        if not app.live:
            return
        for function_id in app.function_ids.values():
            for address in self.addresses(self._apps.function(function_id)):
                holder = self._holder(address.subdomain, app)
                if holder is not None and holder.state in _DEPLOYED:
                    continue  # a version from before that app came is back
                self._held[address.subdomain] = replace(address, stolen=False)
                if app.state in _DEPLOYED:
                    self._remember(address.subdomain, address.port)

    def _remember(self, name: str, port: int) -> None:
        self._ledger.put(_KIND, name, json.dumps(port).encode())

    def _is_of(self, address: Address, app: App) -> bool:
        try:
            return self._apps.function(address.function_id).app_id == app.app_id
        except NotFound:  # the publication left it out
            return True
