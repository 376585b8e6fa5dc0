"""The emulator as a target, found as other projects find it."""

from contextlib import nullcontext

import modal
import modal.environments
import pytest

from modal_contracts.opening import opened
from modal_contracts.target import Capability, offered
from modal_emulator.pytest_plugin.target import ALWAYS, OFFERS, open_target
from modal_emulator.runtime import backend

pytest_plugins = ["pytester"]

CLAUSES = "test_commit_is_seen_after_reload or test_the_later_secret_wins"


def environments() -> list[str]:
    return [item.name for item in modal.environments.list_environments()]


@pytest.mark.slow
def test_a_run_has_an_environment_for_itself() -> None:
    """What a run makes is in its own environment, which goes with it; the target stands on."""
    with open_target() as target:
        before = environments()
        with opened(lambda: nullcontext(target), may_leave=False) as run:
            assert set(environments()) == {*before, run.environment}
            modal.Volume.from_name("mine", create_if_missing=True).hydrate()
        assert environments() == before
        assert Capability.CONTAINERS in offered(target)
        target.settle()


def test_its_words_are_those_of_the_clauses() -> None:
    words = ALWAYS.union(*OFFERS.values())
    assert words == {capability.value for capability in Capability}
    assert set(OFFERS) <= set(backend.Capability)


@pytest.mark.slow
def test_other_projects_find_it_by_name(pytester: pytest.Pytester) -> None:
    """From a directory that knows nothing of it, with what is installed."""
    result = pytester.runpytest_subprocess(
        "-p", "modal_contracts.plugin", "--pyargs", "modal_contracts", "-k", CLAUSES
    )
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes.get("failed")) == (3, None)
    result.stdout.fnmatch_lines(["*clauses on target 'emulator'*", "all *0*2*0"])
