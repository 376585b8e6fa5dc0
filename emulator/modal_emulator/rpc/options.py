"""Options of `with_options` and of class variants, laid over a function's definition."""

from modal_proto import api_pb2

from modal_emulator.rpc.compat import has

__all__ = ["with_options"]

Definition = api_pb2.Function
Options = api_pb2.FunctionOptions

PLAIN: tuple[tuple[str, str], ...] = (
    ("concurrency_limit", "concurrency_limit"),
    ("timeout_secs", "timeout_secs"),
    ("task_idle_timeout_secs", "task_idle_timeout_secs"),
    ("warm_pool_size", "warm_pool_size"),
    ("target_concurrent_inputs", "target_concurrent_inputs"),
    ("buffer_containers", "_experimental_buffer_containers"),
    ("max_concurrent_inputs", "max_concurrent_inputs"),
    ("batch_max_size", "batch_max_size"),
    ("batch_linger_ms", "batch_linger_ms"),
    ("cloud_provider_str", "cloud_provider_str"),
)
SCALING: tuple[tuple[str, str], ...] = (
    ("concurrency_limit", "max_containers"),
    ("task_idle_timeout_secs", "scaledown_window"),
    ("warm_pool_size", "min_containers"),
    ("buffer_containers", "buffer_containers"),
)
WHOLE: tuple[str, ...] = ("resources", "retry_policy", "scheduler_placement")


def with_options(definition: Definition, options: Options) -> Definition:
    """Return the definition with these options; what they leave out stays."""
    changed = Definition()
    changed.CopyFrom(definition)
    for source, target in PLAIN:
        if has(options, source):
            setattr(changed, target, getattr(options, source))
    for source, target in SCALING:
        if has(options, source):
            setattr(changed.autoscaler_settings, target, getattr(options, source))
    for name in WHOLE:
        if has(options, name):
            getattr(changed, name).CopyFrom(getattr(options, name))
    _lists(changed, options)
    return changed


def _lists(changed: Definition, options: Options) -> None:
    if options.replace_secret_ids:
        del changed.secret_ids[:]
    changed.secret_ids.extend(options.secret_ids)
    changed.mount_ids.extend(options.mount_ids)
    if options.replace_volume_mounts:
        del changed.volume_mounts[:]
    changed.volume_mounts.extend(options.volume_mounts)
    changed.cloud_bucket_mounts.extend(getattr(options, "cloud_bucket_mounts", ()))
