"""What `modal function` is told of a function's inputs, variants and containers."""

import time

import modal
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

pytestmark = [
    pytest.mark.modal_emulator(runtime="inline"),
    pytest.mark.skipif(
        not hasattr(api_pb2, "FunctionListVariantsRequest"), reason="this SDK does not ask"
    ),
]

app = modal.App()


@app.function(serialized=True, max_containers=1)
def price(number: int) -> int:
    if number < 0:
        raise ValueError(number)
    return 2 * number


@app.cls(serialized=True)
class Till:
    name: str = modal.parameter(default="a")

    @modal.method()
    def pay(self) -> str:
        return self.name


def at(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromNanoseconds(round(seconds * 1e9))
    return stamp


def test_inputs_are_listed_and_counted_as_they_ended(modal_emulator, rpc):
    began = time.time() - 1
    with app.run():
        assert list(price.map([1, 2], return_exceptions=True)) == [2, 4]
        with pytest.raises(ValueError):
            price.remote(-1)
        fu, until = price.object_id, at(time.time() + 1)

        one, several = rpc(
            "FunctionCallList", api_pb2.FunctionCallListRequest(function_id=fu)
        ).function_calls
        assert (one.failed_inputs.total, one.total_inputs) == (1, 1)
        assert (several.succeeded_inputs.total, several.total_inputs) == (2, 2)
        info = api_pb2.FunctionCallGetInfoRequest(function_call_id=one.function_call_id)
        assert rpc("FunctionCallGetInfo", info).info == one

        newest = api_pb2.FunctionCallFetchRequest(function_id=fu)
        newest.tail.count = 2
        rows = rpc("FunctionCallFetch", newest).function_call_inputs
        assert [row.status for row in rows] == [3, 4]
        assert all(row.container_id and row.execution_time_seconds >= 0 for row in rows)

        ranged = api_pb2.FunctionCallFetchRequest(function_id=fu)
        ranged.range.CopyFrom(
            api_pb2.FunctionCallFetchRequest.Range(since=at(began), until=until, limit=1)
        )
        (first,) = rpc("FunctionCallFetch", ranged).function_call_inputs
        assert first.status == 3

        counted = rpc(
            "FunctionCallCount",
            api_pb2.FunctionCallCountRequest(
                function_id=fu, since=at(began), until=until, bucket_secs=3600
            ),
        )
        assert [(b.count, b.bucket_start_at.seconds) for b in counted.buckets] == [(3, int(began))]
        for container, ended in (("", (2, 1, 0)), ("ta-none", (0, 0, 0))):
            asked = api_pb2.FunctionGetTimeRangeStatsRequest(
                function_id=fu, since=at(began), until=until
            )
            if container:
                asked.container_id = container
            stats = rpc("FunctionGetTimeRangeStats", asked)
            counts = stats.input_success_count, stats.input_failure_count, stats.input_timeout_count
            assert counts == ended
            assert stats.container_total_count == stats.container_started_count == 1


def test_variants_are_listed_with_what_makes_them_and_add_up(modal_emulator, rpc):
    with app.run():
        assert Till(name="b").pay.remote() == "b"
        assert Till.with_options(timeout=9)(name="c").pay.remote() == "c"
        fu = Till._get_class_service_function().object_id  # the SDK's own, as its command has it
        variants = api_pb2.FunctionListVariantsRequest(function_id=fu)
        infos = rpc("FunctionListVariants", variants).infos
        assert [info.function_options.timeout_secs for info in infos] == [0, 9]
        assert all(info.serialized_params for info in infos)
        fetched = rpc(
            "FunctionCallFetch",
            api_pb2.FunctionCallFetchRequest(function_id=fu, all_variants=True),
        )
        assert [row.service_method_name for row in fetched.function_call_inputs] == ["pay", "pay"]


def test_scaling_is_told_as_it_was_changed(modal_emulator, rpc):
    with app.run():
        scaler = getattr(price, "autoscaler", None)  # as newer SDKs have it
        (scaler.update if scaler else price.update_autoscaler)(max_containers=3)
        asked = api_pb2.FunctionGetSchedulingParamsRequest(function_id=price.object_id)
        settings = rpc("FunctionGetSchedulingParams", asked).autoscaler_configuration.settings
        assert settings.max_containers == 3
