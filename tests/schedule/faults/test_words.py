import pytest

from modal_emulator.ground.errors import Code, Invalid
from modal_emulator.ground.steps import Moment
from modal_emulator.schedule.faults import (
    Delay,
    DiskFull,
    Drop,
    Fail,
    Kill,
    Plan,
    RegionDown,
    Site,
    Skew,
    Truncate,
    Unavailable,
    Where,
)
from modal_emulator.schedule.faults.words import OPTIONS, WHATS, line_of, plan_of

RPCS = ("VolumeCommit", "VolumeReload", "VolumeListFiles2", "DictPop")


@pytest.mark.parametrize(
    ("line", "plan"),
    [
        (
            "error VolumeCommit status=UNAVAILABLE times=2 volume=data",
            Plan(
                Fail(Code.UNAVAILABLE, "UNAVAILABLE, as planned"),
                Where(Site.RPC, "VolumeCommit", objects=(("volume", "data"),)),
                times=2,
            ),
        ),
        (
            "error VolumeCommit status=data_loss",
            Plan(
                Fail(Code.DATA_LOSS, "failed to publish commit to server"),
                Where(Site.RPC, "VolumeCommit"),
            ),
        ),
        (
            "error Volume* status=ABORTED message='no room' retry_after=1.5 by=client",
            Plan(Fail(Code.ABORTED, "no room", 1.5), Where(Site.RPC, "Volume*", by="client")),
        ),
        (
            "delay at=background_commit seconds=2 when=after every=2 after=1",
            Plan(
                Delay(2),
                Where(Site.STEP, "background commit", Moment.AFTER),
                None,
                after=1,
                every=2,
            ),
        ),
        (
            "drop DictPop dict=totals called=add path=*x function=f container=ta-1",
            Plan(
                Drop(),
                Where(
                    Site.RPC,
                    "DictPop",
                    objects=(("dict", "totals"), ("called", "add")),
                    path="*x",
                    function="f",
                    container="ta-1",
                ),
            ),
        ),
        ("kill at=commit oom=true", Plan(Kill(oom=True), Where(Site.STEP, "commit"))),
        (
            "region_down us-east-1 at=commit",
            Plan(RegionDown("us-east-1"), Where(Site.STEP, "commit")),
        ),
        (
            "block_unavailable data",
            Plan(Unavailable(), Where(Site.DOWNLOAD, "block", objects=(("volume", "data"),))),
        ),
        (
            "truncate upload body=blob keep=5 times=2",
            Plan(Truncate(5), Where(Site.UPLOAD, "blob"), times=2),
        ),
        ("truncate download", Plan(Truncate(), Where(Site.DOWNLOAD))),
        (
            "skew -1.5 function=add",
            Plan(Skew(-1.5), Where(Site.CLOCK, function="add"), times=None),
        ),
        ("disk_full", Plan(DiskFull(), Where(Site.STEP, "write|make"), times=None)),
        (
            "disk_full data at=commit times=1",
            Plan(DiskFull(), Where(Site.STEP, "commit", objects=(("volume", "data"),))),
        ),
    ],
)
def test_a_line_is_a_plan_and_a_plan_a_line(line: str, plan: Plan) -> None:
    assert plan_of(*line_of(line), RPCS) == plan
    # What it is told as can be called.
    what, _, rest = str(plan_of(*line_of(line), RPCS)).partition("(")
    again = eval(f"said({rest}", {"said": lambda *first, **said: (first, said)})
    named = dict(zip(WHATS[what].takes, again[0], strict=False)) | again[1]
    assert plan_of(what, named, RPCS) == plan


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("eror VolumeCommit", "there is no fault 'eror'; did you mean 'error'?"),
        ("zzz", "there is no fault 'zzz'; there is: error, delay"),
        ("error VolumeComit status=ABORTED", "no RPC is called 'VolumeComit'; did you mean 'Vol"),
        ("error Vol?Commit status=ABORTED", "did you mean 'VolumeCommit'?"),
        ("error VolumeCommit status=UNAVAILBLE", "no status 'UNAVAILBLE'; did you mean 'UNAVAILAB"),
        ("error VolumeCommit", "error needs status: the gRPC status"),
        ("drop at=comit", "there is no at 'comit'; did you mean 'commit'?"),
        ("drop", "drop needs either the name of an RPC, or a step as at="),
        ("drop DictPop at=commit", "drop needs either"),
        ("drop DictPop tmes=2", "drop takes no 'tmes'; did you mean 'times'?"),
        ("drop DictPop DictPop", "says rpc twice"),
        ("drop DictPop times=0", "times is a whole number from 1, not '0'"),
        ("drop DictPop times=x", "times is a whole number from 1, not 'x'"),
        ("drop DictPop seed=-1", "seed is a whole number from 0"),
        ("drop DictPop probability=0", "probability is above 0 and at most 1, not '0'"),
        ("drop DictPop volume=", "volume is a text, not ''"),
        ("delay DictPop seconds=nan", "seconds is a number, not 'nan'"),
        ("delay DictPop seconds=-1", "seconds is a number from 0"),
        ("kill DictPop oom=maybe", "oom is true or false"),
        ("region_down us-eats at=commit", "there is no region 'us-eats'; did you mean 'us-east'?"),
        ("truncate sideways", "there is no way 'sideways'; there is: download, upload"),
        ("truncate", "truncate needs way"),
        ("drop 'DictPop", 'cannot be read from "drop \'DictPop": No closing quotation'),
    ],
)
def test_what_is_wrong_is_told_with_what_is_nearest(line: str, why: str) -> None:
    with pytest.raises(Invalid) as caught:
        plan_of(*line_of(line), RPCS)
    assert why in caught.value.message


def test_values_need_not_be_text() -> None:
    plan = plan_of("delay", {"rpc": "DictPop", "seconds": 2, "times": 3, "seed": None}, RPCS)
    assert plan == Plan(Delay(2.0), Where(Site.RPC, "DictPop"), times=3)
    for wrong in (True, 1.5, None):
        with pytest.raises(Invalid):
            plan_of(
                "delay", {"rpc": "DictPop", "seconds": 2 if wrong else None, "times": wrong}, ()
            )


def test_every_option_is_taken_by_some_fault_and_described() -> None:
    taken = {name for what in WHATS.values() for name in what.takes}
    assert taken | {"times", "after", "every", "probability", "seed"} == set(OPTIONS)
    assert all(set(what.needs) <= set(what.takes) for what in WHATS.values())


def test_of_many_names_only_the_nearest_is_told() -> None:
    many = [f"Rpc{number:03}" for number in range(50)]
    with pytest.raises(Invalid, match="no RPC is called 'zzzzzz'; there are 50"):
        plan_of("drop", {"rpc": "zzzzzz"}, many)
    with pytest.raises(Invalid, match=r"seconds is a number, not \[\]"):
        plan_of("delay", {"rpc": "Rpc001", "seconds": []}, many)
