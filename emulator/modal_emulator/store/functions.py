"""
Functions as values: what an app is made of.

A function is its SDK definition (opaque bytes) beside the few facts that the floors above act on.
Which functions an app has is kept in `apps`, those of its earlier versions in `deployments`.
"""

import json
from dataclasses import asdict, dataclass, field

from modal_emulator.store.placements import Placement, placement_from
from modal_emulator.store.schedules import Schedule, schedule_from, schedule_record
from modal_emulator.store.web import WebEndpoint

__all__ = ["Function", "FunctionSpec", "VolumeUse", "function_bytes", "function_from"]


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """A volume at a path, as a function asks for it."""

    volume_id: str
    path: str
    read_only: bool = False
    sub_path: str = ""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What the emulator acts on in a function's definition; times in seconds."""

    image_id: str = ""
    mount_ids: tuple[str, ...] = ()
    secret_ids: tuple[str, ...] = ()
    volumes: tuple[VolumeUse, ...] = ()
    min_containers: int = 0
    max_containers: int = 0
    buffer_containers: int = 0
    scaledown_window: float = 0.0
    timeout: float = 0.0
    startup_timeout: float = 0.0
    max_inputs_at_once: int = 1
    target_inputs: int = 0
    """How many of them to aim at when containers are started; 0 is as many as may be."""
    batch_size: int = 0
    single_use: bool = False
    retries: int = 0
    retry_delay: float = 1.0
    retry_backoff: float = 1.0
    retry_delay_limit: float = 60.0
    schedule: Schedule | None = None
    placement: Placement = field(default_factory=Placement)
    web: tuple[WebEndpoint, ...] = ()
    proxy_id: str = ""
    memory_limit: int = 0
    """In MiB; 0 is none."""
    cpu_limit: int = 0
    """In thousandths of a CPU; 0 is none."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of an app, or a variant of one with bound parameters or options."""

    function_id: str
    app_id: str
    tag: str
    definition: bytes = field(default=b"", repr=False)
    spec: FunctionSpec = FunctionSpec()
    parameters: bytes = field(default=b"", repr=False)
    base_id: str = ""
    """The function that this is a variant of; empty for the function itself."""
    options: bytes = field(default=b"", repr=False)
    """A variant's, as they were asked for: the next version of its base gets them, too."""
    version: int = 0
    """Of the deployment that it belongs to for good; 0 is whichever is in production."""
    definition_id: str = field(default="", compare=False)
    """By which a publication says that it means this definition and no other."""


def function_bytes(function: Function) -> bytes:
    """Return a function as bytes; two that are the same have the same."""
    record = asdict(function)
    del record["definition_id"]
    for name in ("definition", "parameters", "options"):
        record[name] = record[name].hex()
    record["spec"]["schedule"] = schedule_record(function.spec.schedule)
    return json.dumps(record).encode()


def function_from(value: bytes) -> Function:
    """Return the function of which these are the bytes."""
    record = json.loads(value)
    spec = record["spec"]
    spec["volumes"] = tuple(VolumeUse(**v) for v in spec["volumes"])
    spec["mount_ids"] = tuple(spec["mount_ids"])
    spec["secret_ids"] = tuple(spec["secret_ids"])
    spec.pop("scheduled", None)  # older ledgers say no more than that there was a schedule
    spec["schedule"] = schedule_from(spec.get("schedule", []))
    spec["placement"] = placement_from(spec.get("placement", {}))
    spec["web"] = tuple(WebEndpoint(**w) for w in spec.get("web", []))
    record["spec"] = FunctionSpec(**spec)
    for name in ("definition", "parameters", "options"):
        record[name] = bytes.fromhex(record.get(name, ""))
    return Function(**record)
