import sys
from collections.abc import Callable

import pytest
from hypothesis.database import DirectoryBasedExampleDatabase, InMemoryExampleDatabase

from actors import DEADLOCK, LOST_UPDATE, adder, alone, cast, depth_three, no_lost_update
from modal_emulator.ground.chance import Chance
from modal_emulator.orders.exploring import RandomWalks, explore
from modal_emulator.orders.options import Chooser, Outcome
from modal_emulator.orders.reduction import Exhaustive
from modal_emulator.orders.shrinking import MissingHypothesis, Shrinker, search
from modal_emulator.orders.walks import Replay, Run, run_once

Runnable = Callable[[Chooser], Outcome]

NOISY = cast({"a": adder, "b": adder, **{name: alone(12) for name in "cdef"}}, no_lost_update, n=0)


@pytest.mark.parametrize(
    ("program", "choices"),
    [
        pytest.param(LOST_UPDATE, (0, 1), id="lost update"),
        pytest.param(NOISY, (0, 1), id="lost update among much else"),
        pytest.param(DEADLOCK, (2, 2), id="deadlock"),
        pytest.param(depth_three(), (0, 1, 0, 1), id="depth three"),
    ],
)
def test_a_failing_order_becomes_simple(program: Runnable, choices: tuple[int, ...]) -> None:
    shrinker = Shrinker(200)
    found: list[Run] = []
    report = search(program, RandomWalks(Chance(2)), 2000, shrinker, told=found.append)

    assert report.failing is not None and report.failing.choices == choices
    assert run_once(program, Replay(choices)).failed
    assert report.failing.switches <= found[-1].switches
    assert 0 < report.shrink_runs == shrinker.runs <= 60
    assert report.schedules == len(found)
    assert f"{shrinker.runs} runs to shrink it" in str(report)


def test_shrinking_ends_after_so_many_runs_with_the_best_so_far() -> None:
    found = explore(NOISY, RandomWalks(Chance(2)), 2000).failing
    assert found is not None
    lengths = []
    for runs in (0, 5, 20, 100):
        shrinker = Shrinker(runs)
        best = shrinker.shrink(NOISY, found)
        assert best.failed and shrinker.runs <= runs
        lengths.append(sum(best.choices))
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == sum(found.choices) > 20 > lengths[-1] == 1


def test_what_failed_is_tried_first_the_next_time() -> None:
    database = InMemoryExampleDatabase()
    search(NOISY, RandomWalks(Chance(2)), 2000, Shrinker(key=b"noisy", database=database))

    again = search(NOISY, RandomWalks(Chance(2)), 0, Shrinker(key=b"noisy", database=database))
    assert again.schedules == 0
    assert again.failing is not None and again.failing.choices == (0, 1)
    assert again.max_steps == 52

    other = Shrinker(key=b"another", database=database)
    assert search(LOST_UPDATE, Exhaustive(), 0, other).failing is None
    assert other.runs == 0


def test_what_was_mended_is_searched_as_ever(tmp_path: object) -> None:
    database = DirectoryBasedExampleDatabase(str(tmp_path))
    broken = search(LOST_UPDATE, Exhaustive(), 100, Shrinker(key=b"n", database=database))
    assert broken.failing is not None

    mended = cast({"a": adder, "b": adder}, n=0)
    report = search(mended, Exhaustive(), 100, Shrinker(key=b"n", database=database))
    assert report.failing is None and report.exhaustive and report.schedules == 4


def test_without_hypothesis_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(MissingHypothesis, match=r"pip install 'modal-emulator\[explore\]'"):
        Shrinker()
