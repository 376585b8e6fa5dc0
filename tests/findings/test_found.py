"""Findings in real runs, in both kinds of containers; and that they stay quick in long ones."""

import pytest

import shelfwork
from modal_emulator.emulator import Running
from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.staging import StageHandle


@pytest.fixture(params=["inline", "process"])
def running(request: pytest.FixtureRequest) -> Running:
    request.applymarker(pytest.mark.modal(runtime=request.param))
    emulator: Running = request.getfixturevalue("modal_emulator")
    return emulator


def lines(finding: Finding) -> str:
    return "\n".join(finding.text)


def test_a_lost_update_and_a_stale_listing(running: Running) -> None:
    with shelfwork.app.run():
        assert shelfwork.look.remote() == []
        shelfwork.add.remote("one", through="two")
        assert shelfwork.look.remote() == []
    lost, stale = running.findings()
    assert lost.subject is Subject.LOST_UPDATE
    assert lost.title == "add undid what add_too had written to index in 'shelf'"
    assert lines(lost).count("shelfwork.py") == 4  # read, written and both commits
    assert "-two" in lines(lost) and "+one" in lines(lost)
    assert stale.subject is Subject.STALE_READ
    assert "in look" in lines(stale) and "learnt of it by its input" in lines(stale)


def test_one_after_the_other_is_right(running: Running) -> None:
    with shelfwork.app.run():
        shelfwork.add.remote("one")
        shelfwork.add.remote("two")
        assert shelfwork.look.remote() == ["index"]
    assert running.findings() == ()


@pytest.mark.parametrize("reload", [True, False])
def test_a_lock_in_a_dict_is_handed_over(
    running: Running, request: pytest.FixtureRequest, *, reload: bool
) -> None:
    stage: StageHandle = request.getfixturevalue("modal_stage")
    with shelfwork.app.run():
        looker = stage.spawn(shelfwork.look_under_lock, reload=reload).until("dict write")
        stage.spawn(shelfwork.put_under_lock).finish()
        assert looker.finish() == (["a.txt"] if reload else [])
    found = running.findings()
    assert [one.subject for one in found] == [Subject.STALE_READ] * (not reload)
    assert all("look_under_lock learnt of it by its dict write" in lines(one) for one in found)
