"""Proxies as they are kept."""

from pathlib import Path

import pytest

from modal_emulator.ground.errors import AlreadyExists, Conflict, Invalid, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Creation, Names
from modal_emulator.store.proxies import MOST_ADDRESSES, Proxies, Proxy

NEW = Creation.CREATE_FAIL_IF_EXISTS


def opened(directory: Path | None = None) -> Proxies:
    clock, ids, ledger = VirtualClock(), Ids(), Ledger(directory)
    names = Names(ledger, clock, ids)
    environments = Environments(ledger, names, clock, ids)
    return Proxies(ledger, names, environments, clock, Journal(clock))


@pytest.fixture
def proxies() -> Proxies:
    return opened()


def ips(proxy: Proxy) -> list[str]:
    return [address.ip for address in proxy.addresses]


def test_what_was_made_is_found_again(tmp_path: Path) -> None:
    before = opened(tmp_path)
    made = before.get_or_create("office", "", NEW, region="us-east")
    before.add_address(made.proxy_id)
    kept = before.get(made.proxy_id)
    before._ledger.close()
    again = opened(tmp_path)
    assert again.list() == (kept,)
    assert again.get_or_create("office", "", Creation.LOOKUP) == kept
    assert (kept.region, kept.environment, len(kept.addresses)) == ("us-east", "main", 2)


def test_a_name_is_taken_once(proxies: Proxies) -> None:
    proxies.get_or_create("office", "", NEW)
    with pytest.raises(AlreadyExists):
        proxies.get_or_create("office", "", NEW)
    with pytest.raises(NotFound, match=r"^Proxy 'other' not found$"):
        proxies.get_or_create("other", "", Creation.LOOKUP)


def test_addresses_come_and_go(proxies: Proxies) -> None:
    made = proxies.get_or_create("office", "", NEW)
    for _ in range(1, MOST_ADDRESSES):
        proxies.add_address(made.proxy_id)
    with pytest.raises(Conflict, match="5 IPs already"):
        proxies.add_address(made.proxy_id)
    all_ = ips(proxies.get(made.proxy_id))
    assert len(set(all_)) == MOST_ADDRESSES
    assert [proxies.source(made.proxy_id, turn) for turn in range(6)] == [*all_, all_[0]]
    for ip in all_:
        proxies.remove_address(ip)
    with pytest.raises(NotFound, match="not found"):
        proxies.remove_address(all_[0])
    with pytest.raises(Invalid, match="has no IP"):
        proxies.source(made.proxy_id, 0)


def test_no_two_have_the_same_address(proxies: Proxies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modal_emulator.store.proxies._ROOM", 40)
    made = [proxies.get_or_create(f"proxy-{number}", "", NEW) for number in range(8)]
    assert len({ip for each in made for ip in ips(each)}) == 8


def test_one_that_is_deleted_is_gone(proxies: Proxies) -> None:
    made = proxies.get_or_create("office", "", NEW)
    proxies.delete(made.proxy_id)
    assert proxies.list() == ()
    with pytest.raises(NotFound, match=f"No Proxy with ID '{made.proxy_id}' found"):
        proxies.get(made.proxy_id)
