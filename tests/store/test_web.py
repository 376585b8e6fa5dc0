"""The names of web functions: Modal's rules, and who has which address."""

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import AlreadyExists, Invalid, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.apps import App, Apps, AppState, Function, FunctionSpec
from modal_emulator.store.births import Births
from modal_emulator.store.deployments import DeploymentKind
from modal_emulator.store.environments import Environments
from modal_emulator.store.environments import Settings as EnvironmentSettings
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names
from modal_emulator.store.web import WebEndpoint, default_label, label_of, subdomain_of
from modal_emulator.store.web_addresses import Addresses, WebAddresses
from modal_emulator.store.web_tokens import WebTokens


class FakePorts:
    def __init__(self, *taken: int) -> None:
        self.taken = set(taken)
        self.of: dict[str, int] = {}

    def take(self, subdomain: str, wished: int) -> int:
        if subdomain not in self.of:
            free = wished if wished and wished not in self.taken else 4000 + len(self.of)
            self.of[subdomain] = free
        return self.of[subdomain]

    def origin(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"


@pytest.fixture
def place(tmp_path) -> Any:
    ledger, clock, ids = Ledger(None), ManualClock(), Ids(seed=1)
    names = Names(ledger, clock, ids, Births(), user="me")
    environments = Environments(ledger, names, clock, ids)
    apps = Apps(ledger, names, environments, clock, ids)

    def web(ports: FakePorts, given: Addresses = Addresses.LOOPBACK) -> WebAddresses:
        return WebAddresses(ledger, apps, environments, ports, "work", given)

    def publish(
        name: str, web: WebAddresses, *endpoints: WebEndpoint, deployed: bool = True
    ) -> App:
        state = AppState.INITIALIZING if deployed else AppState.EPHEMERAL
        try:
            app = apps.deployed(name, "") if deployed else apps.create(name, "", state, {})
        except NotFound:
            app = apps.create(name, "", state, {})
        function_id = apps.reserve_function(app.app_id, "f", "")
        function = Function(function_id, app.app_id, "f", spec=FunctionSpec(web=endpoints))
        web.check(function)
        apps.propose_function(function)
        return apps.publish(
            app.app_id,
            AppState.DEPLOYED if deployed else state,
            name=name if deployed else "",
            tag="",
            function_ids={"f": function_id},
            class_ids={},
            tags={},
        )

    return SimpleNamespace(apps=apps, web=web, publish=publish, environments=environments)


def names(web: WebAddresses) -> list[str]:
    return [record.label for record in web.records()]


@pytest.mark.parametrize(
    ("app", "function", "label"),
    [
        ("shop", "front", "shop-front"),
        ("My_Shop.v2", "Svc.get", "my-shop-v2-svc-get"),
        ("shop", "test_x.<locals>.f", "shop-test-x--locals--f"),
        ("shop", "_front_", "shop--front"),
    ],
)
def test_the_default_label_has_letters_digits_and_dashes(app, function, label):
    assert default_label(app, function) == label


@pytest.mark.parametrize("label", ["Shop", "a_b", "-a", "a-", "a.b", "é"])
def test_a_users_label_is_taken_as_it_is_or_refused(label):
    with pytest.raises(Invalid, match="Invalid label"):
        label_of(WebEndpoint(name="f", label=label), "app", ephemeral=False)


def test_ephemeral_apps_have_a_suffix():
    endpoint = WebEndpoint(name="f")
    assert label_of(endpoint, "app", ephemeral=True) == "app-f-dev"
    mine = WebEndpoint(name="f", label="own", dev_suffix="Ann1")
    assert label_of(mine, "app", ephemeral=True) == "own-ann1"
    assert label_of(mine, "app", ephemeral=False) == "own"


def test_what_is_too_long_is_cut_and_told_by_a_digest():
    assert subdomain_of("work", "", "a" * 57).name == "work--" + "a" * 57
    whole = "work-dev--" + "a" * 54
    cut = subdomain_of("work", "dev", "a" * 54)
    assert cut.name == f"{whole[:56]}-{hashlib.sha256(whole.encode()).hexdigest()[:6]}"
    assert cut.truncated and len(cut.name) == 63


def test_an_address_is_answered_while_its_app_has_it(place):
    web = place.web(FakePorts())
    assert web.find("work--shop-f") is None
    app = place.publish("shop", web, WebEndpoint(name="f", proxy_auth=True))
    address = web.find("work--shop-f")
    assert address is not None and address.endpoint.proxy_auth
    assert web.url(address) == web.loopback(address) == "http://127.0.0.1:4000"
    place.publish("shop", web, WebEndpoint(name="f", label="other"))
    assert names(web) == ["work--other"]
    place.apps.stop(app.app_id)
    assert names(web) == [] and web.find("work--other") is None


def test_a_port_is_found_again(place):
    place.publish("shop", place.web(FakePorts(1, 2)), WebEndpoint(name="f"))
    (record,) = place.web(FakePorts()).records()
    assert record.loopback_url == "http://127.0.0.1:4000"
    (record,) = place.web(FakePorts(4000)).records()
    assert record.loopback_url != "http://127.0.0.1:0"


def test_the_newer_of_two_ephemeral_apps_takes_the_address_away(place):
    web = place.web(FakePorts())
    old = place.publish("shop", web, WebEndpoint(name="f"), deployed=False)
    new = place.apps.create("shop", "", AppState.EPHEMERAL, {})
    function = Function("fu-2", new.app_id, "f", spec=FunctionSpec(web=(WebEndpoint(name="f"),)))
    (address,) = web.addresses(function)
    assert address.stolen
    place.publish("shop", web, WebEndpoint(name="f"), deployed=False)
    held = web.find("work--shop-f-dev")
    assert held is not None and not held.stolen
    assert place.apps.function(held.function_id).app_id != old.app_id
    place.apps.stop(old.app_id)
    assert web.find("work--shop-f-dev") == held


def test_the_address_of_another_deployed_app_is_refused(place):
    web = place.web(FakePorts())
    place.publish("shop", web, WebEndpoint(name="f", label="own"))
    with pytest.raises(AlreadyExists, match=r"'work--own\.modal\.run' is already in use .* 'shop'"):
        place.publish("other", web, WebEndpoint(name="f", label="own"))
    assert names(web) == ["work--own"]


def test_an_earlier_version_finds_its_address_taken(place):
    web = place.web(FakePorts())
    app = place.publish("shop", web, WebEndpoint(name="f", label="own"))
    place.publish("shop", web, WebEndpoint(name="f", label="new"))
    place.publish("other", web, WebEndpoint(name="f", label="own"))
    place.apps.deploy_again(app.app_id, 1, DeploymentKind.ROLLBACK)
    (record,) = web.records()
    assert (record.app, record.label) == ("other", "work--own")


def test_a_function_that_a_version_leaves_out_has_no_address(place):
    web = place.web(FakePorts())
    app = place.publish("shop", web, WebEndpoint(name="f"))
    place.apps.publish(
        app.app_id, AppState.DEPLOYED, name="shop", tag="", function_ids={}, class_ids={}, tags={}
    )
    assert names(web) == []


def test_the_suffix_of_an_environment_is_part_of_the_name(place):
    place.environments.update("main", settings=EnvironmentSettings(web_suffix="qa"))
    web = place.web(FakePorts(), Addresses.MODAL)
    place.publish("shop", web, WebEndpoint(name="f"))
    (address,) = web.all()
    assert web.url(address) == "https://work-qa--shop-f.modal.run"
    assert web.port_by_name == 4000


def test_a_token_is_good_where_it_is_allowed():
    ledger, clock, ids = Ledger(None), ManualClock(), Ids(seed=1)
    environments = Environments(ledger, Names(ledger, clock, ids, Births(), user="me"), clock, ids)
    other = environments.create("other")
    tokens = WebTokens(ledger, environments, clock, ids)
    token, secret = tokens.create("ci")
    scoped, its_secret = tokens.create(scoped=True)
    assert secret.startswith("ws-") and secret not in repr(token) and token.name == "ci"
    assert all(secret.encode() not in value for _, value in ledger.all("web_token"))
    assert tokens.admits(token.token_id, secret, "other")
    assert not tokens.admits(token.token_id, its_secret, "")
    assert not tokens.admits("wk-nobody", secret, "")
    assert not tokens.admits(scoped.token_id, its_secret, "other")
    tokens.allow(scoped.token_id, other.environment_id)
    again = WebTokens(ledger, environments, clock, ids)
    assert again.admits(scoped.token_id, its_secret, "other")
    assert not again.admits(scoped.token_id, its_secret, "main")
    assert again.list("main") == [token] and len(again.list()) == 2
    again.revoke(scoped.token_id, other.environment_id)
    assert not again.admits(scoped.token_id, its_secret, "other")
    assert again.rename(token.token_id, "other").name == "other"
    again.delete(token.token_id)
    assert not again.admits(token.token_id, secret, "")
    with pytest.raises(NotFound):
        again.delete(token.token_id)
