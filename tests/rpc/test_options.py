from modal_proto import api_pb2

from modal_emulator.rpc.definitions import spec_of
from modal_emulator.rpc.options import with_options


def mount(volume_id: str) -> api_pb2.VolumeMount:
    return api_pb2.VolumeMount(volume_id=volume_id, mount_path=f"/{volume_id}")


BASE = api_pb2.Function(
    function_name="f",
    timeout_secs=300,
    secret_ids=["st-1"],
    volume_mounts=[mount("vo-1")],
    autoscaler_settings=api_pb2.AutoscalerSettings(min_containers=1, max_containers=5),
)


def test_what_is_left_out_stays():
    assert with_options(BASE, api_pb2.FunctionOptions()) == BASE


def test_what_is_given_replaces():
    options = api_pb2.FunctionOptions(timeout_secs=7, concurrency_limit=2, warm_pool_size=0)
    spec = spec_of(with_options(BASE, options))
    assert (spec.timeout, spec.max_containers, spec.min_containers) == (7, 2, 0)


def test_lists_are_added_to_or_replaced():
    more = api_pb2.FunctionOptions(secret_ids=["st-2"], volume_mounts=[mount("vo-2")])
    added = spec_of(with_options(BASE, more))
    assert added.secret_ids == ("st-1", "st-2")
    assert [v.volume_id for v in added.volumes] == ["vo-1", "vo-2"]

    more.replace_secret_ids = more.replace_volume_mounts = True
    replaced = spec_of(with_options(BASE, more))
    assert replaced.secret_ids == ("st-2",)
    assert [v.volume_id for v in replaced.volumes] == ["vo-2"]


def test_the_definition_itself_is_not_touched():
    before = BASE.SerializeToString()
    with_options(BASE, api_pb2.FunctionOptions(timeout_secs=1, secret_ids=["st-9"]))
    assert BASE.SerializeToString() == before
