import re

import pytest

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.placements import Placement
from modal_emulator.store.regions import REGIONS, check_placement, regions_for, regions_in


def names(placement: Placement) -> list[str]:
    return [region.name for region in regions_for(placement)]


def test_broad_names_stand_for_the_narrow_ones_in_them() -> None:
    assert {"us-east-1", "us-east4", "us-ashburn-1"} <= {r.name for r in regions_in("us-east")}
    assert {r.name for r in regions_in("us-east")} < {r.name for r in regions_in("us")}
    assert [r.cloud for r in regions_in("eu-west-2")] == ["aws"]
    assert len({r.name for r in REGIONS}) == len(REGIONS)


def test_what_is_asked_for_is_narrowed_by_the_cloud() -> None:
    assert names(Placement(regions=("us-central", "us-east-2"), cloud="gcp")) == ["us-central1"]
    assert names(Placement(regions=("eu-north-1", "eu")))[0] == "eu-north-1"
    assert len(names(Placement(cloud="auto"))) == len(REGIONS)


@pytest.mark.parametrize(
    ("placement", "why"),
    [
        (Placement(regions=("us", "moon")), "Unknown region: 'moon'"),
        (Placement(cloud="home"), "Unknown cloud provider: 'home'"),
        (Placement(regions=("me",), cloud="aws"), "Cloud provider 'aws' has no region in: me"),
        (Placement(regions=("eu",), zone="us-east-1a"), "Unknown zone: 'us-east-1a'"),
    ],
)
def test_places_that_there_are_not_are_refused(placement: Placement, why: str) -> None:
    with pytest.raises(Invalid, match=f"^{re.escape(why)}$"):
        check_placement(placement)


def test_places_that_there_are_pass() -> None:
    check_placement(Placement(regions=("us-east",), cloud="aws", zone="us-east-1a"))
    check_placement(Placement())
