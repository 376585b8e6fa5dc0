from modal_emulator.schedule.placing import Place, Placing
from modal_emulator.store.placements import Placement

TWO = Placement(regions=("eu-north-1", "ca-central-1"))


def regions(placing: Placing, placement: Placement, count: int = 3) -> list[str | None]:
    places = (placing.place("fu-1", placement) for _ in range(count))
    return [place.region if place else None for place in places]


def test_containers_take_the_regions_in_turn() -> None:
    assert regions(Placing(), TWO) == ["eu-north-1", "ca-central-1", "eu-north-1"]


def test_who_asks_for_none_stays_in_the_first() -> None:
    placing = Placing()
    assert placing.place("fu-1", Placement()) == Place("us-east-1", "aws")
    assert regions(placing, Placement()) == ["us-east-1"] * 3
    assert regions(placing, Placement(cloud="oci")) == ["us-ashburn-1"] * 3


def test_regions_that_are_down_are_left_out() -> None:
    placing = Placing()
    assert "eu-north-1" in placing.take_down("eu")
    assert regions(placing, TWO) == ["ca-central-1"] * 3
    placing.take_down("ca-central-1")
    assert regions(placing, TWO, 1) == [None] and placing.is_down("eu-west-1")
    placing.bring_up("eu-north")
    assert regions(placing, TWO, 1) == ["eu-north-1"] and placing.is_down("eu-west-1")


def test_a_zone_is_in_one_region() -> None:
    zoned = Placement(regions=("us-east",), zone="us-east-2b")
    assert Placing().place("fu-1", zoned) == Place("us-east-2", "aws", "us-east-2b")
