from pathlib import Path

import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import DataLoss, Exhausted, Invalid
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.faults import BLOCKS, Fault, Faults
from modal_emulator.store.content import Content
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Creation, Names
from modal_emulator.store.volumes import Volumes

LISTING, COMMIT = {Fault.LISTING_RATE_LIMITED}, {Fault.COMMIT_FAILS}


class Stage:
    """Faults with two volumes that they can strike."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock()
        ids, ledger = Ids(seed=5, salt="s"), Ledger(None)
        names = Names(ledger, self.clock, ids)
        self.journal = Journal(self.clock)
        self.volumes = Volumes(
            ledger=ledger,
            names=names,
            environments=Environments(ledger, names, self.clock, ids),
            directory=directory / "volumes",
            content=Content(directory / "content"),
            clock=self.clock,
            ids=ids,
            journal=self.journal,
        )
        self.a, self.b = (self.volume(name) for name in ("a", "b"))
        self.faults = self.begin()

    def volume(self, name: str) -> str:
        return self.volumes.get_or_create(
            name=name, environment="", creation=Creation.CREATE_IF_MISSING
        ).volume_id

    def begin(self, rate: float | None = None) -> Faults:
        return Faults(self.volumes, self.clock, self.journal, rate)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_nothing_happens_unplanned(stage: Stage) -> None:
    stage.faults.before_listing(stage.a)
    stage.faults.before_commit(stage.a)
    assert stage.faults.strike(BLOCKS, stage.a) is None
    assert stage.faults.left() == () and stage.journal.events("fault") == ()


def test_a_plan_is_used_up(stage: Stage) -> None:
    stage.faults.plan(Fault.COMMIT_FAILS, times=2)
    for left in (["commit_fails(times=1)"], []):
        with pytest.raises(DataLoss, match=r"^failed to publish commit to server$"):
            stage.faults.before_commit(stage.a)
        assert [str(plan) for plan in stage.faults.left()] == left
    stage.faults.before_commit(stage.a)
    assert [e.values["fault"] for e in stage.journal.events("fault")] == ["commit_fails"] * 2


def test_plans_of_one_kind_are_used_in_order(stage: Stage) -> None:
    stage.faults.plan(Fault.BLOCK_CORRUPT)
    stage.faults.plan(Fault.BLOCK_UNAVAILABLE)
    assert stage.faults.strike(BLOCKS, stage.a) is Fault.BLOCK_CORRUPT
    assert stage.faults.strike(BLOCKS, stage.a) is Fault.BLOCK_UNAVAILABLE
    assert stage.faults.strike(BLOCKS, stage.a) is None


def test_a_plan_waits_for_its_kind_and_its_volume(stage: Stage) -> None:
    stage.faults.plan(Fault.LISTING_RATE_LIMITED, volume="b")
    stage.faults.plan(Fault.LISTING_RATE_LIMITED, volume=stage.a)
    assert stage.faults.strike(COMMIT, stage.b) is None
    with pytest.raises(Exhausted, match=r"^VolumeListFiles rate limit exceeded\. Please wait"):
        stage.faults.before_listing(stage.a)
    stage.faults.before_listing(stage.a)
    assert [str(plan) for plan in stage.faults.left()] == ["listing_rate_limited('b', times=1)"]
    assert stage.faults.strike(LISTING, stage.b)


def test_a_deleted_volume_has_no_name(stage: Stage) -> None:
    stage.faults.plan(Fault.BLOCK_CORRUPT, volume="a")
    stage.volumes.delete(stage.a)
    assert stage.faults.strike(BLOCKS, stage.a) is None


def test_no_times_are_refused(stage: Stage) -> None:
    with pytest.raises(Invalid, match="commit_fails cannot happen 0 times"):
        stage.faults.plan(Fault.COMMIT_FAILS, times=0)


@pytest.mark.parametrize(("rate", "burst"), [(2.0, 2), (0.5, 1)])
def test_listings_keep_to_a_rate_on_the_clock(stage: Stage, rate: float, burst: int) -> None:
    faults = stage.begin(rate)

    def passed() -> int:
        count = 0
        while True:
            try:
                faults.before_listing(stage.a)
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
def test_a_rate_without_sense_is_refused(stage: Stage, rate: float) -> None:
    with pytest.raises(Invalid, match="listings_per_second must be above 0"):
        stage.begin(rate)
