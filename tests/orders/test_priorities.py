from collections.abc import Callable

import pytest

from actors import CHECK_THEN_ACT, DEADLOCK, LOST_UPDATE, adder, alone, cast, depth_three
from modal_emulator.ground.chance import Chance
from modal_emulator.orders.exploring import Report, explore
from modal_emulator.orders.options import Chooser, Outcome
from modal_emulator.orders.priorities import Auto, Priorities
from modal_emulator.orders.walks import Run


def runs_of(
    program: Callable[[Chooser], Outcome], depth: int, schedules: int, seed: int = 1
) -> tuple[Report, list[Run]]:
    runs: list[Run] = []
    report = explore(
        program, Priorities(Chance(seed), depth), schedules, told=runs.append, onward=True
    )
    return report, runs


def test_the_chance_of_all_runs_is_that_of_not_missing_in_each() -> None:
    report, _ = runs_of(LOST_UPDATE, 2, 11)
    # Two actors and four steps; the first of the eleven runs is quiet, and promises nothing.
    assert report.chance == pytest.approx(1 - (1 - 1 / (2 * 4)) ** 10)
    assert report.depth == 2
    assert not report.exhaustive
    assert "chance of a bug of depth 2 at least 0.74" in str(report)


@pytest.mark.parametrize(
    ("program", "depth", "least"),
    [
        pytest.param(LOST_UPDATE, 2, 1 / (2 * 4), id="lost update"),
        pytest.param(CHECK_THEN_ACT, 2, 1 / (3 * 7), id="check then act"),
        pytest.param(depth_three(), 3, 1 / (2 * 6**2), id="depth three"),
    ],
)
def test_bugs_are_hit_as_often_as_promised(
    program: Callable[[Chooser], Outcome], depth: int, least: float
) -> None:
    _, runs = runs_of(program, depth, 1000)
    # Of depth three there is one way in 72 exactly; a sample may lie somewhat below.
    assert sum(run.failed for run in runs) / len(runs) >= 0.8 * least


def test_a_depth_that_is_too_small_finds_nothing() -> None:
    # With depth 1 nobody falls behind, so who began goes on to its end.
    _, runs = runs_of(LOST_UPDATE, 1, 200)
    assert not any(run.failed for run in runs)
    assert {run.switches for run in runs} == {1}
    with pytest.raises(ValueError, match="at least 1"):
        Priorities(Chance(1), 0)


def test_a_run_that_is_longer_than_was_known_promises_nothing() -> None:
    def program(chooser: Chooser) -> Outcome:
        lengths.append(len(lengths) + 1)
        return cast({"a": alone(lengths[-1])})(chooser)

    lengths: list[int] = []
    report, _ = runs_of(program, 2, 5)
    assert report.chance == 0


def test_the_same_seed_draws_the_same_orders() -> None:
    def steps(seed: int) -> list[object]:
        return [run.steps for run in runs_of(DEADLOCK, 3, 20, seed)[1]]

    assert steps(5) == steps(5)
    assert steps(5) != steps(6)


def test_auto_tries_everything_where_that_is_little() -> None:
    report = explore(DEADLOCK, Auto(Chance(1), 3, 100), 100, onward=True)
    assert report.exhaustive and report.chance == 1
    assert report.schedules == 37


def test_auto_goes_by_priorities_where_everything_is_too_much() -> None:
    explorer = Auto(Chance(1), 2, 100)
    report = explore(cast(dict.fromkeys("abcdef", adder), n=0), explorer, 100, onward=True)
    assert explorer.gave_up and not report.exhaustive
    assert report.schedules + report.cut == 100
    # Six actors and twelve steps were measured by the search, which had a quarter of the runs.
    assert report.chance == pytest.approx(1 - (1 - 1 / (6 * 12)) ** 75)
