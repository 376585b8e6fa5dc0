"""What a function says of where it is to run; what is chosen is known in `schedule/placing`."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Placement", "placement_from"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where containers may run; what is empty may be anywhere."""

    regions: tuple[str, ...] = ()
    """As they were asked for, broad ones such as "us" among them."""
    cloud: str = ""
    zone: str = ""
    lifecycle: str = ""
    """"spot" or "on-demand"."""
    instance_types: tuple[str, ...] = ()
    nonpreemptible: bool = False


def placement_from(record: dict[str, Any]) -> Placement:
    """Return the placement of which these are the plain values."""
    regions, types = (tuple(record.pop(name, ())) for name in ("regions", "instance_types"))
    return Placement(regions=regions, instance_types=types, **record)
