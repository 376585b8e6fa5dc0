import pytest

from modal_emulator.ground.steps import Moment
from modal_emulator.schedule.faults import Occasion, Site, Where

NAMES = {"vo-1": "data", "fu-1": "test_x.<locals>.add"}
COMMIT = Occasion(
    Site.RPC,
    "VolumeCommit",
    container_id="ta-1",
    function="test_x.<locals>.add",
    objects={"volume": "vo-1", "called": "fu-1"},
    paths=("in/a.txt", "b.json"),
)
CLIENT = Occasion(Site.RPC, "VolumeGetOrCreate", objects={"volume": "data"})


def means(where: Where, occasion: Occasion) -> bool:
    return where.means(occasion, lambda each: NAMES.get(each, ""))


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ({}, True),
        ({"name": "VolumeCommit"}, True),
        ({"name": "Volume*"}, True),
        ({"name": "volumecommit"}, False),
        ({"moment": Moment.AFTER}, False),
        ({"objects": (("volume", "data"),)}, True),
        ({"objects": (("volume", "d?ta"), ("called", "add"))}, True),
        ({"objects": (("volume", "vo-1"),)}, True),
        ({"objects": (("volume", "other"),)}, False),
        ({"objects": (("dict", "data"),)}, False),
        ({"path": "*.json"}, True),
        ({"path": "in/*"}, True),
        ({"path": "a.txt"}, False),
        ({"function": "add"}, True),
        ({"function": "sub"}, False),
        ({"container": "ta-1"}, True),
        ({"container": "ta-2"}, False),
        ({"by": "container"}, True),
        ({"by": "client"}, False),
    ],
)
def test_what_is_said_must_fit(said: dict[str, str], fits: bool) -> None:
    assert means(Where(Site.RPC, **said), COMMIT) is fits  # type: ignore[arg-type]


def test_a_client_is_no_container_and_may_send_a_name() -> None:
    assert means(Where(Site.RPC, objects=(("volume", "data"),), by="client"), CLIENT)
    assert not means(Where(Site.RPC, function="add"), CLIENT)
    assert not means(Where(Site.RPC, path="*"), CLIENT)
    assert not means(Where(Site.STEP), CLIENT)
    assert (CLIENT.who, COMMIT.who) == ("client", "test_x.<locals>.add")
