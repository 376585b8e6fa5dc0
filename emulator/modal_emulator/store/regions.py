"""
The regions and clouds that functions may ask for.

The names are those of Modal's page on region selection (guide/region-selection) as far as they are
remembered here; the page was not read again, and Modal adds regions now and then [guess]. A narrow
region is one of a cloud provider's own; a broad one, such as "us" or "us-east", stands for all the
narrow ones in it.
"""

from dataclasses import dataclass

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.placements import Placement

__all__ = ["CLOUDS", "REGIONS", "Region", "check_placement", "regions_for", "regions_in"]

CLOUDS = ("aws", "gcp", "oci")
"""SDK:app.py names these and "auto" [sdk]."""


@dataclass(frozen=True, slots=True)
class Region:
    """One narrow region."""

    name: str
    cloud: str
    within: tuple[str, ...]
    """The broad ones that it belongs to."""


TABLE: tuple[tuple[str, str, str], ...] = (
    ("us us-east", "aws", "us-east-1 us-east-2"),
    ("us us-east", "gcp", "us-east1 us-east4 us-east5"),
    ("us us-east", "oci", "us-ashburn-1"),
    ("us us-central", "gcp", "us-central1"),
    ("us us-central", "oci", "us-chicago-1"),
    ("us us-south", "gcp", "us-south1"),
    ("us us-west", "aws", "us-west-1 us-west-2"),
    ("us us-west", "gcp", "us-west1 us-west3 us-west4"),
    ("us us-west", "oci", "us-sanjose-1 us-phoenix-1"),
    ("eu eu-west", "aws", "eu-west-1 eu-west-3 eu-central-1"),
    ("eu eu-west", "gcp", "europe-west1 europe-west3 europe-west4"),
    ("eu eu-west", "oci", "eu-frankfurt-1 eu-paris-1"),
    ("eu eu-north", "aws", "eu-north-1"),
    ("eu eu-south", "aws", "eu-south-1 eu-south-2"),
    ("uk", "aws", "eu-west-2"),
    ("uk", "gcp", "europe-west2"),
    ("uk", "oci", "uk-london-1"),
    ("ap ap-northeast jp", "aws", "ap-northeast-1 ap-northeast-3"),
    ("ap ap-northeast jp", "gcp", "asia-northeast1"),
    ("ap ap-northeast", "gcp", "asia-northeast3"),
    ("ap ap-southeast", "aws", "ap-southeast-1 ap-southeast-2 ap-southeast-3"),
    ("ap ap-southeast", "gcp", "asia-southeast1"),
    ("ap ap-south", "aws", "ap-south-1"),
    ("ap ap-melbourne", "oci", "ap-melbourne-1"),
    ("ca", "aws", "ca-central-1"),
    ("ca", "oci", "ca-toronto-1"),
    ("me", "gcp", "me-west1"),
    ("sa", "aws", "sa-east-1"),
    ("mx", "aws", "mx-central-1"),
    ("af", "aws", "af-south-1"),
)

REGIONS: tuple[Region, ...] = tuple(
    Region(name, cloud, tuple(broad.split()))
    for broad, cloud, names in TABLE
    for name in names.split()
)


def regions_in(name: str) -> tuple[Region, ...]:
    """
    Return the narrow regions that a name stands for.

    Raises:
        Invalid: there is no such region. Modal answers with this code (modal-semantics 7
            [live-test]); its words are not known [guess].
    """
    found = tuple(r for r in REGIONS if name == r.name or name in r.within)
    if not found:
        raise Invalid(f"Unknown region: '{name}'")
    return found


def regions_for(placement: Placement) -> tuple[Region, ...]:
    """Return the regions that a function may run in, in the order in which they were asked for."""
    asked = placement.regions
    found = [r for name in asked for r in regions_in(name)] if asked else list(REGIONS)
    return tuple(r for r in dict.fromkeys(found) if placement.cloud in ("", "auto", r.cloud))


def check_placement(placement: Placement) -> None:
    """
    Look at where a function wants to run.

    Raises:
        Invalid: there is no such place; Modal's words are not known [guess].
    """
    if placement.cloud not in ("", "auto", *CLOUDS):
        raise Invalid(f"Unknown cloud provider: '{placement.cloud}'")
    found = regions_for(placement)
    if not found:
        where = ", ".join(placement.regions)
        raise Invalid(f"Cloud provider '{placement.cloud}' has no region in: {where}")
    # Providers name their zones after the region: us-east-1a, us-east1-b.
    if placement.zone and not any(placement.zone.startswith(r.name) for r in found):
        raise Invalid(f"Unknown zone: '{placement.zone}'")
