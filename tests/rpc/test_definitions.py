import pytest
from modal_proto import api_pb2

from modal_emulator.ground.errors import NotBuilt
from modal_emulator.rpc.definitions import data_of, handle_of, refuse, spec_of
from modal_emulator.store.apps import Function, VolumeUse
from modal_emulator.store.schedules import Cron, Period

WEB = api_pb2.WebhookConfig(
    type=api_pb2.WEBHOOK_TYPE_ASGI_APP,
    custom_domains=[api_pb2.CustomDomainConfig(name="api.example.com")],
)
WEB_METHOD = api_pb2.MethodDefinition(webhook_config=WEB)


def test_the_spec_holds_what_is_acted_on():
    definition = api_pb2.Function(
        function_name="f",
        image_id="im-1",
        mount_ids=["mo-1"],
        secret_ids=["st-1", "st-2"],
        volume_mounts=[api_pb2.VolumeMount(volume_id="vo-1", mount_path="/data", read_only=True)],
        timeout_secs=60,
        task_idle_timeout_secs=5,
        concurrency_limit=3,
        warm_pool_size=1,
        max_concurrent_inputs=4,
        retry_policy=api_pb2.FunctionRetryPolicy(
            retries=2, initial_delay_ms=500, backoff_coefficient=2.0, max_delay_ms=9000
        ),
        schedule=api_pb2.Schedule(cron=api_pb2.Schedule.Cron(cron_string="* * * * *")),
    )
    spec = spec_of(definition)
    assert spec.volumes == (VolumeUse("vo-1", "/data", read_only=True),)
    assert (spec.secret_ids, spec.mount_ids) == (("st-1", "st-2"), ("mo-1",))
    assert (spec.timeout, spec.scaledown_window, spec.max_inputs_at_once) == (60, 5, 4)
    assert (spec.min_containers, spec.max_containers) == (1, 3)
    assert (spec.retries, spec.retry_delay, spec.retry_backoff, spec.retry_delay_limit) == (
        2,
        0.5,
        2.0,
        9.0,
    )
    assert spec.schedule == Cron("* * * * *", "UTC")


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        (api_pb2.Function(webhook_config=WEB), "custom_domains="),
        (
            api_pb2.Function(
                method_definitions={"m": api_pb2.MethodDefinition(webhook_config=WEB)}
            ),
            "custom_domains=",
        ),
        (api_pb2.Function(block_network=True), "block_network=True"),
        (api_pb2.Function(untrusted=True), "restrict_modal_access=True"),
        (api_pb2.Function(cloud_bucket_mounts=[api_pb2.CloudBucketMount()]), "CloudBucketMount"),
    ],
)
def test_what_would_mean_something_else_is_refused_by_name(definition, name):
    with pytest.raises(NotBuilt, match=name):
        refuse(definition)


def test_an_ordinary_function_is_not_refused_nor_warned_of():
    plain = api_pb2.Function(function_name="f")
    refuse(plain)
    assert spec_of(plain).schedule is None


def test_a_period_keeps_all_its_parts():
    parts = {"years": 1, "months": 2, "weeks": 3, "days": 4, "hours": 5, "minutes": 6}
    period = api_pb2.Schedule(period=api_pb2.Schedule.Period(**parts, seconds=0.5))
    spec = spec_of(api_pb2.Function(function_name="nightly", schedule=period))
    assert spec.schedule == Period(**parts, seconds=0.5)


def test_the_handle_names_the_methods_of_a_class():
    definition = api_pb2.Function(
        function_name="Model.*",
        is_class=True,
        method_definitions={"predict": api_pb2.MethodDefinition(function_name="Model.predict")},
    )
    handle = handle_of(
        Function("fu-1", "ap-1", "Model.*", definition.SerializeToString()),
        {"predict": "http://127.0.0.1:1"},
    )
    method = handle.method_handle_metadata["predict"]
    assert method.is_method and method.use_method_name == "predict"
    assert method.function_name == "Model.predict"
    assert method.web_url == "http://127.0.0.1:1" and not handle.web_url


def test_the_other_form_carries_the_definition_and_its_shared_fields():
    definition = api_pb2.Function(
        function_name="f",
        timeout_secs=9,
        method_definitions={"m": api_pb2.MethodDefinition(function_name="C.m")},
        autoscaler_settings=api_pb2.AutoscalerSettings(max_containers=2),
    )
    data = data_of(definition)
    assert (data.function_name, data.timeout_secs) == ("f", 9)
    assert data.autoscaler_settings.max_containers == 2
    assert data.method_definitions["m"].function_name == "C.m"
    assert data.ranked_functions[0].function == definition
