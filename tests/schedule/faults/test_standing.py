from collections.abc import Callable

import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import Code, Exhausted, Invalid
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.faults import Delay, Fail, Faults, Occasion, Plan, Planned, Site, Where
from modal_emulator.schedule.faults.struck import struck
from modal_emulator.schedule.faults.words import plan_of
from modal_emulator.store.history import Committer

A, B = "vo-a", "vo-b"
NAMES = {A: "a", B: "b"}
HERE = Where(Site.RPC, "DictPop")
POP = Occasion(Site.RPC, "DictPop")


class Stage:
    """Faults with two volumes that they can strike."""

    def __init__(self, rate: float | None = None) -> None:
        self.clock = ManualClock()
        self.journal = Journal(self.clock)
        ids = Ids(seed=5)
        self.faults = Faults(lambda each: NAMES.get(each, ""), self.clock, self.journal, ids, rate)

    def plan(self, what: str, **said: object) -> Callable[[], None]:
        return self.faults.add(plan_of(what, said, ("DictPop",), self.faults.seed))

    @property
    def left(self) -> list[str]:
        return [str(plan) for plan in self.faults.left()]

    def hits(self, count: int, who: str = "") -> str:
        """Return which of so many occasions are struck."""
        pop = Occasion(Site.RPC, "DictPop", function=who)
        return "".join("x" if self.faults.meet(pop) else "." for _ in range(count))


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_nothing_happens_unplanned(stage: Stage) -> None:
    stage.faults.before_listing(A)
    stage.faults.before_commit(A)
    assert stage.faults.strike(Site.DOWNLOAD, A, "block") is None and stage.hits(3) == "..."
    assert stage.left == [] and stage.journal.events("fault") == ()
    assert not stage.faults.at_rpcs


def test_a_plan_is_used_up(stage: Stage) -> None:
    stage.plan("commit_fails", times=2)
    for left in (["commit_fails(times=1)"], []):
        with pytest.raises(Planned, match=r"^failed to publish commit to server$") as caught:
            stage.faults.before_commit(A)
        assert caught.value.code is Code.DATA_LOSS and stage.left == left
    stage.faults.before_commit(A)
    told = struck(stage.journal.events())
    assert [(s.fault, s.name, s.object_id) for s in told] == [("commit_fails", "publishing", A)] * 2
    assert told[0].plan == "commit_fails(times=2)"


def test_a_commit_is_known_by_who_makes_it_and_by_what_it_changes(stage: Stage) -> None:
    stage.plan("commit_fails", function="add", path="index/*.json")
    by = Committer("ta-1", "add")
    stage.faults.before_commit(A, by, ["index/a.txt"])
    stage.faults.before_commit(A, Committer("ta-1", "sub"), ["index/a.json"])
    with pytest.raises(Planned):
        stage.faults.before_commit(A, by, ["b", "index/a.json"])


def test_plans_are_used_in_their_order(stage: Stage) -> None:
    stage.plan("block_corrupt")
    stage.plan("block_unavailable")
    assert str(stage.faults.strike(Site.DOWNLOAD, A, "block")) == "block_corrupt(times=1)"
    assert str(stage.faults.strike(Site.DOWNLOAD, A, "block")) == "block_unavailable(times=1)"
    assert stage.faults.strike(Site.DOWNLOAD, A, "block") is None


def test_a_plan_waits_for_its_site_and_its_volume(stage: Stage) -> None:
    stage.plan("listing_rate_limited", volume="b")
    stage.plan("listing_rate_limited", volume=A)
    assert stage.faults.strike(Site.PUBLISHING, B) is None
    with pytest.raises(Planned, match=r"^VolumeListFiles rate limit exceeded\. Please wait"):
        stage.faults.before_listing(A)
    stage.faults.before_listing(A)
    assert stage.left == ["listing_rate_limited('b', times=1)"]
    assert stage.faults.strike(Site.LISTING, B)


def test_delays_add_up_and_the_first_of_another_kind_is_the_last(stage: Stage) -> None:
    plans = [Plan(Delay(1), HERE), Plan(Fail(Code.ABORTED, "x"), HERE), Plan(Delay(2), HERE)]
    for plan in plans:
        stage.faults.add(plan)
    assert stage.faults.meet(POP) == tuple(plans[:2])
    assert stage.faults.meet(POP) == (plans[2],)


@pytest.mark.parametrize(
    ("often", "hits"),
    [
        ({}, "x........."),
        ({"times": 3}, "xxx......."),
        ({"after": 2, "times": 2}, "..xx......"),
        ({"every": 3}, "..x..x..x."),
        ({"every": 3, "after": 1, "times": 2}, "...x..x..."),
    ],
)
def test_how_often_is_counted(stage: Stage, often: dict[str, int], hits: str) -> None:
    stage.plan("drop", rpc="DictPop", **often)
    assert stage.faults.at_rpcs
    assert stage.hits(10) == hits
    assert stage.left == []


def test_chance_repeats_with_its_seed_for_each_client_alone() -> None:
    def rows(*turns: str, seed: int | None = 7) -> dict[str, str]:
        stage, hits = Stage(), dict.fromkeys(turns, "")
        stage.plan("drop", rpc="DictPop", probability=0.5, seed=seed)
        for who in turns:
            hits[who] += stage.hits(1, who)
        return hits

    alone = rows(*["add"] * 40)["add"]
    assert 10 < alone.count("x") < 30
    assert rows(*["add", "sub", "sub"] * 40)["add"] == alone
    assert rows(*["add"] * 40, seed=8)["add"] != alone


def test_a_seed_that_nobody_said_is_told(stage: Stage) -> None:
    stage.plan("drop", rpc="DictPop", probability=0.5)
    (plan,) = stage.faults.plans()
    assert stage.left == [f"drop('DictPop', probability=0.5, seed={plan.seed})"] and plan.seed
    stage.hits(1)
    assert stage.left == []  # it had its chance


def test_what_has_no_end_is_met_once_it_struck(stage: Stage) -> None:
    stage.plan("drop", rpc="DictPop", every=2)
    assert stage.left == ["drop('DictPop', every=2)"]
    assert stage.hits(2) == ".x" and stage.left == []
    assert [str(plan) for plan in stage.faults.plans()] == ["drop('DictPop', every=2)"]


def test_plans_can_be_taken_back(stage: Stage) -> None:
    changes = []
    stage.faults.on_change(lambda: changes.append(stage.faults.at_rpcs))
    take_back = stage.plan("drop", rpc="DictPop", times=5)
    stage.hits(1)
    take_back()
    take_back()
    stage.plan("drop", rpc="DictPop")
    stage.faults.clear()
    assert stage.hits(2) == ".." and stage.left == []
    assert changes == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"times": 0}, "fail cannot happen 0 times"),
        ({"probability": 0.0}, "a probability is above 0"),
        ({"every": 0}, "every is 1 or more"),
    ],
)
def test_values_without_sense_are_refused(stage: Stage, wrong: dict[str, int], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        stage.faults.add(Plan(Fail(Code.ABORTED, "x"), HERE, **wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "burst"), [(2.0, 2), (0.5, 1)])
def test_listings_keep_to_a_rate_on_the_clock(rate: float, burst: int) -> None:
    stage = Stage(rate)

    def passed() -> int:
        count = 0
        while True:
            try:
                stage.faults.before_listing(A)
            except Exhausted:
                return count
            count += 1

    assert passed() == burst
    stage.clock.set(stage.clock.now() + 1 / rate - 0.01)
    assert passed() == 0
    stage.clock.set(stage.clock.now() + 0.01)
    assert passed() == 1
    stage.clock.set(stage.clock.now() + 1000)
    assert passed() == burst


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_without_sense_is_refused(rate: float) -> None:
    with pytest.raises(Invalid, match="listings_per_second must be above 0"):
        Stage(rate)
