import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.faults import Faults
from modal_emulator.schedule.faults.planning import Planning, lines_of, tables_of

RPCS = ("DictPop", "VolumeCommit")
FILE = """
[[fault]]
what = "error"
rpc = "DictPop"
status = "UNAVAILABLE"
times = 2

[[fault]]
what = "commit_fails"
"""


@pytest.fixture
def faults() -> Faults:
    clock = ManualClock()
    return Faults(lambda _: "", clock, Journal(clock), Ids(seed=1))


@pytest.fixture
def planning(faults: Faults) -> Planning:
    return Planning(faults, lambda: RPCS)


def told(faults: Faults) -> list[str]:
    return [str(plan) for plan in faults.plans()]


def test_a_file_takes_the_place_of_the_one_before(planning: Planning, faults: Faults) -> None:
    planning.add("drop", {"rpc": "DictPop"})
    assert len(planning.load(FILE)) == 2
    planning.load(FILE.replace("times = 2", "times = 3"))
    assert told(faults) == [
        "drop('DictPop', times=1)",
        "error('DictPop', status='UNAVAILABLE', times=3)",
        "commit_fails(times=1)",
    ]
    assert [str(plan) for plan in faults.left()] == ["drop('DictPop', times=1)"]
    planning.load("")
    assert told(faults) == ["drop('DictPop', times=1)"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("what =", "a file of faults is in TOML: Invalid value"),
        ("[faults]\nx = 1", "has tables [[fault]] and nothing else, not 'faults'"),
        ("fault = 3", "has tables [[fault]] and nothing else"),
        ("fault = [3]", "has tables [[fault]] and nothing else"),
        ('[[fault]]\nrpc = "DictPop"', "[[fault]] number 1 does not say `what`"),
        (FILE + "times = 0", "times is a whole number from 1, not 0"),
        ('[[fault]]\nwhat = "drop"\nrpc = "DictPup"', "did you mean 'DictPop'?"),
    ],
)
def test_a_file_that_makes_no_sense_changes_nothing(
    planning: Planning, faults: Faults, text: str, why: str
) -> None:
    planning.load(FILE)
    with pytest.raises(Invalid) as caught:
        planning.load(text)
    assert why in caught.value.message
    assert len(told(faults)) == 2


def test_lines_may_be_empty_and_may_be_remarks() -> None:
    assert lines_of(["", " # a", " drop DictPop times=2 "]) == (
        ("drop", {"rpc": "DictPop", "times": "2"}),
    )
    assert tables_of("") == ()
