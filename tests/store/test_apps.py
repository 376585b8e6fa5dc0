import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.store.apps import App, Apps, AppState, Function, FunctionSpec, VolumeUse
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Creation, Names
from modal_emulator.store.secrets import Secrets


class Stage:
    def __init__(self) -> None:
        self.ledger = Ledger(None)
        self.clock = ManualClock()
        self.ids = Ids(seed=3, salt="s")
        self.names = Names(self.ledger, self.clock, self.ids)
        self.environments = Environments(self.ledger, self.names, self.clock, self.ids)
        self.secrets = Secrets(
            self.ledger, self.names, self.environments, self.clock, Journal(self.clock)
        )
        self.apps = self.again()

    def again(self) -> Apps:
        return Apps(self.ledger, self.names, self.environments, self.clock, self.ids)

    def deploy(self, name: str = "shop", tag: str = "", **functions: str) -> App:
        try:
            app = self.apps.deployed(name, "")
        except NotFound:
            app = self.apps.create(name, "", AppState.INITIALIZING, {})
        return self.apps.publish(
            app.app_id,
            AppState.DEPLOYED,
            name=name,
            tag=tag,
            function_ids=functions,
            class_ids={},
            tags={},
        )


@pytest.fixture
def stage():
    made = Stage()
    yield made
    made.ledger.close()


def test_a_deployment_is_found_by_name_until_it_is_stopped(stage):
    app = stage.deploy()
    assert stage.apps.deployed("shop", "main") == app
    assert app.version == 1

    stopped = stage.apps.stop(app.app_id)
    assert not stopped.live
    with pytest.raises(NotFound, match=r"^App 'shop' not found in environment 'main'$"):
        stage.apps.deployed("shop", "")
    assert stage.apps.stopped("shop", "") == stopped
    assert stage.apps.stopped("other", "") is None


def test_deploying_again_makes_the_next_version_of_the_same_app(stage):
    first = stage.deploy(tag="a")
    second = stage.deploy(tag="b")
    assert second.app_id == first.app_id
    deployments = stage.apps.deployments.of(first.app_id)
    assert [(d.version, d.tag) for d in deployments] == [(1, "a"), (2, "b")]


def test_after_a_stop_the_name_begins_a_new_app(stage):
    first = stage.deploy()
    stage.apps.stop(first.app_id)
    second = stage.deploy()
    assert second.app_id != first.app_id and second.version == 1


def test_an_ephemeral_app_is_not_found_by_name(stage):
    app = stage.apps.create("run", "", AppState.EPHEMERAL, {"team": "a"})
    assert stage.apps.get(app.app_id).tags == {"team": "a"}
    with pytest.raises(NotFound):
        stage.apps.deployed("run", "")
    assert stage.apps.in_environment("") == [app]


def test_functions_are_found_by_tag(stage):
    app = stage.apps.create("shop", "", AppState.INITIALIZING, {})
    function_id = stage.apps.reserve_function(app.app_id, "f", "")
    assert stage.apps.reserve_function(app.app_id, "f", "") == function_id
    assert stage.apps.reserve_function(app.app_id, "f", "fu-old") == "fu-old"
    stage.apps.put_function(Function(function_id, app.app_id, "f"))
    stage.apps.publish(
        app.app_id,
        AppState.DEPLOYED,
        name="shop",
        tag="",
        function_ids={"f": function_id},
        class_ids={},
        tags={},
    )
    assert stage.apps.find("shop", "f", "").function_id == function_id
    with pytest.raises(NotFound, match="'g'"):
        stage.apps.find("shop", "g", "")
    with pytest.raises(NotFound, match="fu-x"):
        stage.apps.function("fu-x")
    with pytest.raises(NotFound, match="ap-x"):
        stage.apps.get("ap-x")


def test_deployed_apps_and_their_functions_come_back_from_the_ledger(stage):
    function = Function(
        "fu-1",
        "",
        "f",
        b"\x00definition\xff",
        FunctionSpec(volumes=(VolumeUse("vo-1", "/data"),), secret_ids=("st-1",), retries=2),
        b"\x01",
    )
    app = stage.apps.create("shop", "", AppState.INITIALIZING, {})
    function = Function(
        "fu-1", app.app_id, "f", function.definition, function.spec, function.parameters
    )
    stage.apps.put_function(function)
    deployed = stage.deploy(f="fu-1")
    variant = Function("fu-2", app.app_id, "f", b"d", FunctionSpec(), b"p", "fu-1")
    stage.apps.put_function(variant)
    stage.apps.set_tags(app.app_id, {"k": "v"})

    again = stage.again()
    assert again.deployments.of(app.app_id) == stage.apps.deployments.of(app.app_id)
    assert again.get(app.app_id).version == deployed.version == 1
    assert again.get(app.app_id).tags == {"k": "v"}
    assert again.function("fu-1") == function
    assert again.function("fu-2") == variant


def test_ephemeral_apps_do_not_come_back(stage):
    app = stage.apps.create("run", "", AppState.EPHEMERAL, {})
    with pytest.raises(NotFound):
        stage.again().get(app.app_id)


def test_anonymous_secrets_end_with_the_app_that_owns_them(stage):
    app = stage.apps.create("run", "", AppState.EPHEMERAL, {})
    owned = {"environment": "", "creation": Creation.ANONYMOUS, "values": {"A": "1"}}
    mine = stage.secrets.get_or_create(name="", app_id=app.app_id, **owned)
    other = stage.secrets.get_or_create(name="", app_id="ap-other", **owned)
    stage.apps.stop(app.app_id)
    with pytest.raises(NotFound):
        stage.secrets.get(mine.secret_id)
    assert stage.secrets.get(other.secret_id) == other


def test_classes_get_ids(stage):
    app = stage.apps.create("shop", "", AppState.INITIALIZING, {})
    assert stage.apps.reserve_class(app.app_id, "").startswith("cs-")
    assert stage.apps.reserve_class(app.app_id, "cs-1") == "cs-1"
