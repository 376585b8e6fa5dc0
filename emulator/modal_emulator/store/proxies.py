"""
Proxies: addresses that what a container sends out comes from, for servers that ask whose it is.

A proxy's addresses are on loopback, where this machine's servers see them, and follow from its
environment and name, so that an allow-list stays right. Who leaves from them is another's part.
"""

import hashlib
import ipaddress
import json
from dataclasses import asdict, dataclass

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Conflict, Invalid, NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Claim, Creation, Family, Named, Names

__all__ = ["MOST_ADDRESSES", "PROXY", "Address", "Proxies", "Proxy"]

PROXY = "Proxy"
MOST_ADDRESSES = 5
"""Of each proxy; modal-semantics 7 [doc]."""

_FIRST = int(ipaddress.ip_address("127.192.0.0"))  # containers have theirs below
_ROOM = 1 << 22


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a proxy."""

    ip: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Proxy:
    """What is known of a proxy."""

    proxy_id: str
    name: str
    environment: str
    region: str
    created_at: float
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    region: str
    addresses: tuple[Address, ...]


class Proxies:
    """The proxies of one World."""

    def __init__(
        self,
        ledger: Ledger,
        names: Names,
        environments: Environments,
        clock: Clock,
        journal: Journal,
    ) -> None:
        self._ledger = ledger
        self._names = names
        self._environments = environments
        self._clock = clock
        self._journal = journal
        names.register(Family(PROXY, "pr", forget=self._forget, remade=self._furnish))

    def get_or_create(
        self, name: str, environment: str, creation: Creation, region: str = ""
    ) -> Proxy:
        """Return the proxy that a client asks for; one that is made has one address [guess]."""
        environment = self._environments.resolve(environment)
        if creation is Creation.LOOKUP and self._names.find(PROXY, environment, name) is None:
            # The words of Modal's server; modal-semantics 7 [live-test].
            raise NotFound(f"Proxy '{name}' not found")
        with self._ledger.transaction():
            named, made = self._names.claim(PROXY, Claim(environment, name, creation))
            if made:
                self._furnish(named, region)
        return self._describe(named)

    def get(self, proxy_id: str) -> Proxy:
        """Return a proxy by its id."""
        return self._describe(self._names.get(PROXY, proxy_id))

    def list(self, environment: str | None = None) -> tuple[Proxy, ...]:
        """Return the proxies of an environment, or of all, the newest first."""
        chosen = (
            [each.name for each in self._environments.list()]
            if environment is None
            else [self._environments.resolve(environment)]
        )
        found = [named for each in chosen for named in self._names.list(PROXY, each)]
        found.sort(key=lambda named: named.created_at, reverse=True)
        return tuple(self._describe(named) for named in found)

    def add_address(self, proxy_id: str) -> Address:
        """Give a proxy one more address."""
        named = self._names.get(PROXY, proxy_id)
        held = self._held(named.object_id)
        if len(held.addresses) >= MOST_ADDRESSES:
            raise Conflict(f"Proxy '{named.name}' has {MOST_ADDRESSES} IPs already")  # [guess]
        added = Address(self._free(named), self._clock.now())
        with self._ledger.transaction():
            self._keep(named, _Held(held.region, (*held.addresses, added)))
        return added

    def remove_address(self, ip: str) -> None:
        """Take an address from the proxy that has it."""
        for proxy in self.list():
            left = tuple(address for address in proxy.addresses if address.ip != ip)
            if len(left) < len(proxy.addresses):
                named = self._names.get(PROXY, proxy.proxy_id)
                with self._ledger.transaction():
                    self._keep(named, _Held(proxy.region, left))
                return
        raise NotFound(f"Proxy IP '{ip}' not found")  # [guess]

    def delete(self, proxy_id: str) -> None:
        """End a proxy; containers that run keep its address [guess]."""
        self._names.drop(PROXY, proxy_id)
        self._journal.add("proxy.deleted", proxy_id=proxy_id)

    def source(self, proxy_id: str, turn: int) -> str:
        """Return the address for a container; its containers take them in turn [guess]."""
        proxy = self.get(proxy_id)
        if not proxy.addresses:
            raise Invalid(f"Proxy '{proxy.name}' has no IP")  # [guess]
        return proxy.addresses[turn % len(proxy.addresses)].ip

    def _describe(self, named: Named) -> Proxy:
        held = self._held(named.object_id)
        return Proxy(
            proxy_id=named.object_id,
            name=named.name,
            environment=named.environment,
            region=held.region,
            created_at=named.created_at,
            addresses=held.addresses,
        )

    def _furnish(self, named: Named, region: str = "") -> None:
        first = Address(self._free(named), self._clock.now())
        self._keep(named, _Held(region, (first,)))
        self._journal.add("proxy.created", proxy_id=named.object_id, name=named.name)

    def _free(self, named: Named) -> str:
        """Return the first address that follows from the name and is nobody's."""
        taken = {
            address["ip"]
            for _, value in self._ledger.all(PROXY)
            for address in json.loads(value)["addresses"]
        }
        number = 0
        while True:
            word = f"{named.environment}/{named.name}/{number}".encode()
            place = int.from_bytes(hashlib.sha256(word).digest()[:8], "big") % _ROOM
            ip = str(ipaddress.IPv4Address(_FIRST + place))
            if ip not in taken and not ip.endswith((".0", ".255")):
                return ip
            number += 1

    def _held(self, proxy_id: str) -> _Held:
        value = json.loads(self._ledger.get(PROXY, proxy_id) or b'{"region": "", "addresses": []}')
        return _Held(value["region"], tuple(Address(**each) for each in value["addresses"]))

    def _keep(self, named: Named, held: _Held) -> None:
        self._ledger.put(PROXY, named.object_id, json.dumps(asdict(held)).encode())

    def _forget(self, proxy_id: str) -> None:
        self._ledger.delete(PROXY, proxy_id)
