import json

import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import Conflict, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.store.apps import App, Apps, AppState, Function, FunctionSpec, VolumeUse
from modal_emulator.store.deployments import DeploymentKind
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


def propose(stage: Stage, app: App, definition: bytes) -> Function:
    function = Function(f"fu-{app.name or app.description}", app.app_id, "f", definition)
    return stage.apps.propose_function(function)


def publish(stage: Stage, app: App, function: Function, **options) -> App:
    return stage.apps.publish(
        app.app_id,
        AppState.DEPLOYED,
        name="shop",
        tag="",
        function_ids={"f": function.function_id},
        class_ids={},
        tags={},
        definition_ids={function.function_id: function.definition_id},
        **options,
    )


def test_of_two_deployments_at_once_the_later_is_refused_and_changes_nothing(stage):
    app = stage.apps.create("shop", "", AppState.INITIALIZING, {})
    mine, theirs = propose(stage, app, b"mine"), propose(stage, app, b"theirs")
    publish(stage, app, mine)
    locked = "The selected app is locked - probably due to a concurrent modification"
    with pytest.raises(Conflict, match=f"^{locked}$"):
        publish(stage, app, theirs)
    assert stage.apps.function(mine.function_id).definition == b"mine"
    assert stage.apps.get(app.app_id).version == 1
    # The same once more, for one whose answer was lost, is another version of the same.
    assert publish(stage, app, mine).version == 2
    # A rollback is a publication as well.
    late = propose(stage, app, b"late")
    stage.apps.deploy_again(app.app_id, 1, DeploymentKind.ROLLBACK)
    with pytest.raises(Conflict, match=locked):
        publish(stage, app, late)
    assert publish(stage, app, propose(stage, app, b"again")).version == 4


def test_functions_of_a_version_are_kept_once_and_brought_back(stage):
    app = stage.apps.create("shop", "", AppState.INITIALIZING, {})
    publish(stage, app, propose(stage, app, b"one"))
    publish(stage, app, propose(stage, app, b"two"))
    publish(stage, app, propose(stage, app, b"one"))
    assert len(tuple(stage.ledger.all("definition"))) == 2
    again = stage.again()
    again.deploy_again(app.app_id, 2, DeploymentKind.ROLLBACK)
    assert again.find("shop", "f", "").definition == b"two"
    pinned = again.find("shop", "f", "", version=1)
    assert (pinned.definition, pinned.version) == (b"one", 1)
    with pytest.raises(NotFound, match="has no version 9"):
        again.deploy_again(app.app_id, 9, DeploymentKind.ROLLBACK)


def test_a_publication_that_cannot_be_written_did_not_happen(stage, monkeypatch):
    app = stage.apps.create("shop", "", AppState.INITIALIZING, {})
    first = publish(stage, app, propose(stage, app, b"one"))
    second = propose(stage, app, b"two")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stage.secrets._ledger, "put", fail)
        with pytest.raises(OSError, match="No space"):
            publish(stage, app, second)
    assert stage.apps.get(app.app_id) == first
    assert stage.apps.find("shop", "f", "").definition == b"one"
    assert len(stage.apps.deployments.of(app.app_id)) == 1
    assert publish(stage, app, second).version == 2


def test_versions_of_an_older_ledger_are_known_and_the_newest_is_whole(stage):
    app = stage.apps.create("shop", "", AppState.INITIALIZING, {})
    publish(stage, app, propose(stage, app, b"one"))
    record = json.loads(stage.ledger.get("app", app.app_id))
    for name in ("published_at", "stopped_by"):
        del record[name]
    record |= {"deployments": [(1, 5.0, "a"), (2, 6.0, "b")], "version": 2}
    stage.ledger.put("app", app.app_id, json.dumps(record).encode())
    stage.ledger.clear("deployment")
    again = stage.again()
    assert [(d.version, d.at, d.tag) for d in again.deployments.of(app.app_id)] == [
        (1, 5.0, "a"),
        (2, 6.0, "b"),
    ]
    with pytest.raises(NotFound, match="was not kept"):
        again.deploy_again(app.app_id, 1, DeploymentKind.ROLLBACK)
    assert again.deploy_again(app.app_id, 2, DeploymentKind.ROLLOVER).version == 3
