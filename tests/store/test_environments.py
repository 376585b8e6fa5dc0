import pytest

from modal_emulator.ground.errors import AlreadyExists, Conflict, Exhausted, Invalid, NotFound
from modal_emulator.store import environments
from modal_emulator.store.environments import Settings, check_environment_name
from modal_emulator.store.names import Creation


def test_a_workspace_starts_with_main_as_its_default(store):
    (main,) = store.environments.list()
    assert (main.name, main.default, main.settings.web_suffix) == ("main", True, "")
    assert main.environment_id.startswith("en-")
    assert store.environments.get("") == store.environments.get("main") == main
    assert store.environments.get(main.environment_id) == main
    assert store.environments.resolve("") == "main"


def test_a_missing_environment_is_told_in_modals_words(store):
    with pytest.raises(NotFound) as caught:
        store.environments.get("dev")
    assert caught.value.message == "Environment 'dev' not found"


def test_environments_can_be_made_and_listed_in_order(store):
    store.clock.at += 1
    dev = store.environments.create("Dev_1")
    assert dev.settings.web_suffix == "dev-1"
    assert not dev.default
    assert [e.name for e in store.environments.list()] == ["main", "Dev_1"]
    assert store.environments.get_or_create("Dev_1") == dev
    assert store.environments.get_or_create("qa").name == "qa"
    with pytest.raises(AlreadyExists, match="Environment 'Dev_1' already exists"):
        store.environments.create("Dev_1")


@pytest.mark.parametrize("name", ["a", "9-_", "x" * 64, "enough"])
def test_good_names(name):
    check_environment_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a.b", "x" * 65, "en-1", "EN-x", "a b", "ü", "a\n"])
def test_bad_names_are_refused_in_modals_words(store, name):
    with pytest.raises(Invalid) as caught:
        store.environments.create(name)
    assert caught.value.message == (
        f"Invalid Environment name: '{name}'.\n\nEnvironment names must be 1-64 characters, can "
        "only start with alphanumeric characters, may contain only alphanumeric characters, "
        "dashes, and underscores, and cannot start with 'en-'."
    )


def test_there_is_a_bound(store, monkeypatch):
    monkeypatch.setattr(environments, "MOST", 2)
    store.environments.create("dev")
    with pytest.raises(Exhausted, match="at most 2 environments"):
        store.environments.create("qa")


def test_a_renamed_environment_keeps_its_objects_and_its_id(store):
    dev = store.environments.create("dev")
    volume = store.volumes.get_or_create(
        name="x", environment="dev", creation=Creation.CREATE_IF_MISSING
    )
    renamed = store.environments.update("dev", name="prod")
    assert renamed.environment_id == dev.environment_id
    assert store.volumes.get(volume.volume_id).environment == "prod"
    assert [v.name for v in store.volumes.list("prod")] == ["x"]
    with pytest.raises(NotFound):
        store.environments.get("dev")
    # Its first name is free for another, which then is another.
    assert store.environments.create("dev").environment_id != dev.environment_id


def test_an_environment_cannot_take_a_bad_or_taken_name(store):
    store.environments.create("dev")
    with pytest.raises(AlreadyExists, match="Environment 'main' already exists"):
        store.environments.update("dev", name="main")
    with pytest.raises(Invalid):
        store.environments.update("dev", name="en-1")
    assert [e.name for e in store.environments.list()] == ["main", "dev"]


def test_settings_can_be_changed_alone(store):
    settings = Settings(web_suffix="w", image_builder_version="2025.06", max_concurrent_tasks=3)
    changed = store.environments.update("main", settings=settings)
    assert changed.settings == settings
    assert (changed.name, changed.default) == ("main", True)


def test_a_deleted_environment_takes_its_objects_along(store):
    store.environments.create("dev")
    volume = store.volumes.get_or_create(
        name="x", environment="dev", creation=Creation.CREATE_IF_MISSING
    )
    secret = store.secrets.get_or_create("s", "dev", Creation.CREATE_IF_MISSING, {"A": "1"})
    store.environments.delete("dev")
    assert [e.name for e in store.environments.list()] == ["main"]
    with pytest.raises(NotFound, match="No Volume with ID"):
        store.volumes.get(volume.volume_id)
    with pytest.raises(NotFound, match="No Secret with ID"):
        store.secrets.get(secret.secret_id)
    assert not list(store.ledger.all("Secret"))


def test_the_default_environment_stays(store):
    with pytest.raises(Conflict, match="is the default"):
        store.environments.delete("main")
    store.environments.update("main", name="home")
    assert store.environments.default.name == "home"
    assert store.environments.resolve("") == "home"


def test_a_restart_finds_all_of_it(store):
    store.environments.create("dev", Settings(max_concurrent_gpus=2))
    store.environments.create("gone")
    store.environments.delete("gone")
    before = store.environments.list()
    store.reopen()
    assert store.environments.list() == before


@pytest.mark.parametrize("change", ["update", "rename", "delete"])
def test_memory_follows_the_ledger_when_a_change_fails(store, change):
    dev = store.environments.create("dev")
    actions = {
        "update": lambda: store.environments.update("dev", settings=Settings("w")),
        "rename": lambda: store.environments.update("dev", name="prod"),
        "delete": lambda: store.environments.delete("dev"),
    }
    with pytest.raises(RuntimeError), store.ledger.transaction():
        actions[change]()
        raise RuntimeError
    assert store.environments.get("dev") == dev
    assert len(store.environments.list()) == 2
