import modal
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue
from modal_proto import api_pb2

from modal_emulator.sdk import newest_builder_version

CREATE_IF_MISSING = api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING


def create(rpc, name):
    rpc("EnvironmentCreate", api_pb2.EnvironmentCreateRequest(name=name))


def names(rpc):
    return [item.name for item in rpc("EnvironmentList", Empty()).items]


def find(rpc, name, creation=0):
    request = api_pb2.EnvironmentGetOrCreateRequest(
        deployment_name=name, object_creation_type=creation
    )
    return rpc("EnvironmentGetOrCreate", request)


def test_at_first_there_is_main_and_it_is_the_default(rpc):
    (item,) = rpc("EnvironmentList", Empty()).items
    assert (item.name, item.default, item.webhook_suffix) == ("main", True, "")
    assert item.created_at > 0


def test_no_name_means_the_default(rpc):
    found = find(rpc, "")
    assert found.metadata.name == "main"
    assert found.environment_id.startswith("en-")


def test_the_image_builder_version_is_never_empty(rpc):
    settings = find(rpc, "").metadata.settings
    assert settings.image_builder_version == newest_builder_version() != ""


def test_environments_are_made_and_deleted(rpc):
    create(rpc, "dev")
    assert names(rpc) == ["main", "dev"]
    rpc("EnvironmentDelete", api_pb2.EnvironmentDeleteRequest(name="dev"))
    assert names(rpc) == ["main"]


def test_a_missing_one_is_made_when_asked_for(rpc):
    made = find(rpc, "new", CREATE_IF_MISSING)
    assert find(rpc, "new", CREATE_IF_MISSING).environment_id == made.environment_id
    assert names(rpc) == ["main", "new"]


def test_an_environment_is_found_by_its_id_too(rpc):
    made = find(rpc, "new", CREATE_IF_MISSING)
    assert find(rpc, made.environment_id).metadata.name == "new"


def test_renaming_takes_the_objects_along(rpc):
    create(rpc, "dev")
    volume = rpc(
        "VolumeGetOrCreate",
        api_pb2.VolumeGetOrCreateRequest(
            deployment_name="v", environment_name="dev", object_creation_type=CREATE_IF_MISSING
        ),
    )
    changed = rpc(
        "EnvironmentUpdate",
        api_pb2.EnvironmentUpdateRequest(current_name="dev", name=StringValue(value="prod")),
    )
    assert changed.name == "prod"
    assert names(rpc) == ["main", "prod"]
    again = rpc(
        "VolumeGetOrCreate",
        api_pb2.VolumeGetOrCreateRequest(deployment_name="v", environment_name="prod"),
    )
    assert again.volume_id == volume.volume_id


def test_deleting_one_deletes_what_is_in_it(rpc):
    create(rpc, "dev")
    volume = rpc(
        "VolumeGetOrCreate",
        api_pb2.VolumeGetOrCreateRequest(
            deployment_name="v", environment_name="dev", object_creation_type=CREATE_IF_MISSING
        ),
    )
    rpc("EnvironmentDelete", api_pb2.EnvironmentDeleteRequest(name="dev"))
    listing = api_pb2.VolumeListFilesRequest(volume_id=volume.volume_id)
    assert rpc.error("VolumeListFiles", listing)[0] == "NOT_FOUND"


def test_settings_that_are_not_mentioned_stay(rpc):
    create(rpc, "dev")

    def update(**changes):
        return rpc(
            "EnvironmentUpdate", api_pb2.EnvironmentUpdateRequest(current_name="dev", **changes)
        )

    update(web_suffix=StringValue(value="suffix"))
    assert update().webhook_suffix == "suffix"
    assert update(web_suffix=StringValue(value="")).webhook_suffix == ""


@pytest.mark.skipif(
    "image_builder_version" not in api_pb2.EnvironmentUpdateRequest.DESCRIPTOR.fields_by_name,
    reason="this SDK cannot set it",
)
def test_an_image_builder_version_can_be_set_and_unset(rpc):
    def update(version):
        return rpc(
            "EnvironmentUpdate",
            api_pb2.EnvironmentUpdateRequest(current_name="main", image_builder_version=version),
        )

    assert update("2024.10").image_builder_version == "2024.10"
    assert find(rpc, "").metadata.settings.image_builder_version == "2024.10"
    assert not update("").HasField("image_builder_version")
    assert find(rpc, "").metadata.settings.image_builder_version == newest_builder_version()


def test_errors_are_modals(rpc):
    create(rpc, "dev")
    create_request = api_pb2.EnvironmentCreateRequest
    assert rpc.error("EnvironmentCreate", create_request(name="dev")) == (
        "ALREADY_EXISTS",
        "Environment 'dev' already exists",
    )
    missing = ("NOT_FOUND", "Environment 'x' not found")
    get = api_pb2.EnvironmentGetOrCreateRequest(deployment_name="x")
    assert rpc.error("EnvironmentGetOrCreate", get) == missing
    delete = api_pb2.EnvironmentDeleteRequest(name="x")
    assert rpc.error("EnvironmentDelete", delete) == missing
    update = api_pb2.EnvironmentUpdateRequest(current_name="x")
    assert rpc.error("EnvironmentUpdate", update) == missing
    volume = api_pb2.VolumeGetOrCreateRequest(deployment_name="v", environment_name="x")
    assert rpc.error("VolumeGetOrCreate", volume) == missing


@pytest.mark.parametrize("name", ["", "-x", "en-x", "a" * 65, "with space", "a/b", "a.b", "ü"])
def test_bad_names_are_refused(rpc, name):
    status, text = rpc.error("EnvironmentCreate", api_pb2.EnvironmentCreateRequest(name=name))
    assert status == "INVALID_ARGUMENT"
    assert text == (
        f"Invalid Environment name: '{name}'.\n\n"
        "Environment names must be 1-64 characters, can only start with alphanumeric characters, "
        "may contain only alphanumeric characters, dashes, and underscores, "
        "and cannot start with 'en-'."
    )


def test_a_way_of_making_that_makes_no_sense_is_refused(rpc):
    get = api_pb2.EnvironmentGetOrCreateRequest(
        deployment_name="x", object_creation_type=api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL
    )
    assert rpc.error("EnvironmentGetOrCreate", get)[0] == "INVALID_ARGUMENT"


@pytest.mark.skipif(
    "is_managed" not in api_pb2.EnvironmentCreateRequest.DESCRIPTOR.fields_by_name,
    reason="this SDK knows no roles",
)
def test_what_would_need_roles_is_refused_not_ignored(rpc):
    restricted = api_pb2.EnvironmentCreateRequest(name="r", is_managed=True)
    assert rpc.error("EnvironmentCreate", restricted)[0] == "UNIMPLEMENTED"
    public = api_pb2.EnvironmentCreateRequest(name="p", environment_type=1)
    assert rpc.error("EnvironmentCreate", public)[0] == "UNIMPLEMENTED"
    assert names(rpc) == ["main"]


def test_the_sdk_looks_into_the_environment_that_is_named(modal_emulator, rpc):
    create(rpc, "dev")
    modal.Volume.from_name("v", create_if_missing=True, environment_name="dev").hydrate()
    with pytest.raises(modal.exception.NotFoundError, match="not found in environment 'main'"):
        modal.Volume.from_name("v").hydrate()


@pytest.mark.slow
def test_the_command_lists_makes_renames_and_deletes(modal_command):
    assert "Environment created: dev" in modal_command("environment", "create", "dev").text
    listed = modal_command("environment", "list").text
    assert "main" in listed and "dev" in listed
    modal_command("environment", "update", "dev", "--set-name", "prod", "--set-web-suffix", "p")
    assert "prod" in modal_command("environment", "list").text
    again = modal_command("environment", "create", "prod", fails=True).text
    assert "Environment 'prod' already exists" in again
    yes = (
        "--yes" if "--yes" in modal_command("environment", "delete", "--help").text else "--confirm"
    )
    assert "deleted" in modal_command("environment", "delete", "prod", yes).text
    assert "prod" not in modal_command("environment", "list").text
