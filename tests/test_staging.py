"""A test holds calls at their storage steps and lets them go, in both kinds of containers."""

import sys
from pathlib import Path

import modal
import pytest

import stagework
from modal_emulator.clock import ClockHandle
from modal_emulator.emulator import Running
from modal_emulator.ground.errors import Conflict, Invalid
from modal_emulator.staging import StageHandle

RUNTIMES = [
    pytest.param("inline", marks=pytest.mark.modal(runtime="inline")),
    pytest.param("process", marks=[pytest.mark.modal(runtime="process"), pytest.mark.slow]),
]
everywhere = pytest.mark.parametrize("runtime", RUNTIMES)
inline = pytest.mark.modal(runtime="inline")


def unless_traced(runtime: str) -> None:
    """
    Leave out what interrupts a thread that waits in C where Python would hang at it.

    While it is traced, as for coverage, CPython 3.11 enters no function any more until the thread
    has met its exception.
    """
    if runtime == "inline" and sys.gettrace() and sys.version_info < (3, 12):
        pytest.skip("a traced Python 3.11 would hang")


@everywhere
def test_a_lost_update_is_staged(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        one = modal_stage.spawn(stagework.add, "a")
        two = modal_stage.spawn(stagework.add, "b")
        assert (one.name, two.name) == ("add#1", "add#2")
        assert str(one.at) == "before start"
        one.until("commit")
        assert one.at is not None
        assert (one.at.kind, one.at.of, one.at.moment) == ("commit", "shared", "before")
        assert two.finish() == ["b"]
        assert one.finish() == ["a"]
        assert stagework.index() == ["a"]


@everywhere
def test_another_order_loses_nothing(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        one = modal_stage.spawn(stagework.add, "a")
        two = modal_stage.spawn(stagework.add, "b")
        one.after("commit")
        # The other's container starts only now, and so sees that.
        assert two.finish() == ["a", "b"]
        assert one.finish() == ["a"]
        assert stagework.index() == ["a", "b"]


@everywhere
def test_a_read_and_a_write_of_a_dict(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        one = modal_stage.spawn(stagework.tick).until("dict write", of="notes")
        two = modal_stage.spawn(stagework.tick)
        assert (two.finish(), one.finish()) == (1, 1)
        assert stagework.notes["count"] == 1


@everywhere
def test_a_reload_sees_what_came_before_it_was_let_go(
    modal_stage: StageHandle, runtime: str
) -> None:
    with stagework.app.run():
        reader = modal_stage.spawn(stagework.look).until("reload")
        modal_stage.spawn(stagework.add, "a").finish()
        assert reader.finish() == (False, True)
        # Its container is warm: it is held at its input, and sees what that saw last.
        again = modal_stage.spawn(stagework.look)
        assert again.at is not None and again.at.kind == "input"
        assert again.finish() == (True, True)


@everywhere
def test_an_exit_commit_comes_after_the_output(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        actor = modal_stage.spawn(stagework.leave, "late.txt").until("exit commit")
        assert actor.is_over and actor.result() is None
        assert stagework.shared.listdir("/") == []
        actor.finish()
        assert [entry.path for entry in stagework.shared.listdir("/")] == ["late.txt"]


@everywhere
def test_a_background_commit_comes_when_the_test_says_so(
    modal_stage: StageHandle, runtime: str
) -> None:
    with stagework.app.run():
        first = modal_stage.spawn(stagework.leave, "one.txt").until("output")
        second = modal_stage.spawn(stagework.leave, "two.txt").until("output")
        modal_stage.background_commit(first)
        assert [entry.path for entry in stagework.shared.listdir("/")] == ["one.txt"]
        modal_stage.background_commit("another")
        assert len(stagework.shared.listdir("/")) == 1
        modal_stage.background_commit(stagework.shared)
        assert len(stagework.shared.listdir("/")) == 2
        first.finish(), second.finish()


@everywhere
def test_who_waits_for_a_queue_is_told_of_at_once(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        taker = modal_stage.spawn(stagework.take)
        giver = modal_stage.spawn(stagework.give, "it").until("queue put")
        with pytest.raises(Conflict) as caught:
            taker.finish()
        lines = str(caught.value).splitlines()
        assert lines[0].startswith("take#1 never comes to stand at its end: everything is at rest")
        assert "take#1  is in queue get of jobs" in lines[1]
        assert "give#1  is held before queue put of jobs" in lines[2]
        giver.finish()
        assert taker.finish() == "it"


@inline
def test_who_waits_for_a_call_is_told_of_at_once(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        asked = modal_stage.expect(stagework.tick)
        actor = modal_stage.spawn(stagework.ask)
        with pytest.raises(Conflict, match=r"(?s)ask#1 never.*is in result of tick.*for tick#1"):
            actor.finish()
        assert str(asked.at) == "before start"
        assert asked.finish() is None
        assert actor.finish() == 1


@inline
def test_a_step_that_never_comes_is_told_of(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        actor = modal_stage.spawn(stagework.tick)
        with pytest.raises(Conflict, match="never comes to stand before reload: its call is over"):
            actor.until("reload")
        assert actor.finish() == 1


@inline
def test_who_has_no_container_waits_for_one(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        first = modal_stage.spawn(stagework.one_by_one).until("dict write")
        second = modal_stage.spawn(stagework.one_by_one)
        assert second.at is None
        with pytest.raises(Conflict, match="waits for a container: there is 1, not free"):
            second.until("dict write")
        first.finish()
        second.until("dict write").finish()
        assert first.container_id == second.container_id


@inline
def test_steps_one_by_one(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        actor = modal_stage.spawn(stagework.tick)
        kinds = [actor.at.kind] if actor.at else []
        while at := actor.step():
            kinds.append(at.kind)
        assert kinds == ["start", "input", "dict read", "dict write", "output"]
        assert actor.result() == 1


@inline
def test_what_a_call_raises_is_raised(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        actor = modal_stage.spawn(stagework.fail).after("dict write")
        with pytest.raises(Conflict, match="is not over"):
            actor.result()
        with pytest.raises(ValueError, match="no luck"):
            actor.finish()
        with pytest.raises(ValueError, match="no luck"):
            actor.result()


@everywhere
def test_an_actor_is_followed_when_it_is_preempted(
    modal_emulator: Running, modal_stage: StageHandle, runtime: str
) -> None:
    with stagework.app.run():
        unless_traced(runtime)
        actor = modal_stage.spawn(stagework.add, "a").until("commit")
        first = actor.container_id
        actor.preempt()
        (commit,) = modal_emulator.journal("volume.commit")
        assert commit.values["container_id"] == first
        actor.until("commit")
        assert actor.container_id != first
        # As on Modal, the first one has committed what it wrote when it was taken away.
        assert actor.finish() == ["a", "a"]


@everywhere
def test_an_actor_is_killed_where_it_is_held(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        actor = modal_stage.spawn(stagework.add, "a").until("commit")
        actor.kill()
        with pytest.raises(modal.exception.RemoteError):
            actor.finish()
        assert stagework.shared.listdir("/") == []
        other = modal_stage.spawn(stagework.add, "b")
        other.kill()
        with pytest.raises(modal.exception.RemoteError):
            other.finish()


@inline
def test_a_call_that_was_spawned_before_is_adopted(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        call = stagework.take.spawn()
        giver = modal_stage.spawn(stagework.give, "it")
        taker = modal_stage.actor(call.object_id)
        giver.finish()
        taker.until("output")
        assert taker.finish() == "it"


@inline
def test_what_others_call_goes_its_way(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        held = modal_stage.spawn(stagework.tick)
        assert stagework.tick.remote() == 1
        assert held.finish() == 2


@inline
def test_the_end_of_the_app_lets_all_go(modal_stage: StageHandle) -> None:
    unless_traced("inline")
    with stagework.app.run():
        actor = modal_stage.spawn(stagework.tick).until("dict write")
    assert actor.at is None and actor.is_over


@inline
def test_the_end_of_the_stage_lets_all_go(modal_emulator: Running) -> None:
    with stagework.app.run():
        with modal_emulator.stage() as stage:
            one = stage.spawn(stagework.tick).until("dict write")
            two = stage.spawn(stagework.tick)
        modal.FunctionCall.gather(one._call, two._call)
        assert stagework.tick.remote() in (2, 3)


@inline
def test_unknown_steps_are_refused(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        actor = modal_stage.spawn(stagework.tick)
        with pytest.raises(Invalid, match="did you mean 'commit'"):
            actor.until("comit")


@inline
def test_who_goes_on_for_too_long_is_late(modal_stage: StageHandle) -> None:
    with stagework.app.run():
        nobody = modal_stage.expect("tick")
        with pytest.raises(TimeoutError, match="nobody has called it"):
            nobody.until("dict write", timeout=0.01)


@inline
def test_a_clock_that_stands_goes_on_for_an_actor_that_sleeps(
    modal_stage: StageHandle, modal_clock: ClockHandle
) -> None:
    before = modal_clock.timestamp()
    with stagework.app.run():
        sleeper = modal_stage.spawn(stagework.nap, 200).until("dict write")
        assert modal_clock.timestamp() - before >= 200
        sleeper.finish()


@everywhere
def test_file_steps_are_held(modal_stage: StageHandle, runtime: str) -> None:
    with stagework.app.run():
        modal_stage.spawn(stagework.add, "a").finish()
        one = modal_stage.spawn(stagework.add, "b").until("read", "*.json", of="shared")
        assert one.at is not None
        assert (one.at.path, one.at.of, one.at.version) == ("index.json", "shared", 0)
        assert one.at.where[-1].endswith("in add")
        one.after("close", nth=2)
        two = modal_stage.spawn(stagework.add, "c")
        assert two.finish() == ["a", "c"]
        assert one.finish() == ["a", "b"]


@everywhere
def test_a_run_is_drawn(modal_emulator: Running, runtime: str, tmp_path: Path) -> None:
    with stagework.app.run():
        stagework.add.remote("a")
    place = modal_emulator.picture(tmp_path / "drawn" / "run.html", "one & all")
    text = place.read_text()
    assert "<h1>one &amp; all</h1>" in text
    assert "starts, with shared at v0" in text


@inline
@pytest.mark.modal(findings={"lost update": "off"})
def test_what_is_off_is_not_marked(
    modal_emulator: Running, modal_stage: StageHandle, tmp_path: Path
) -> None:
    with stagework.app.run():
        one = modal_stage.spawn(stagework.add, "a").until("commit")
        modal_stage.spawn(stagework.add, "b").finish()
        one.finish()
    assert [str(each.subject) for each in modal_emulator.findings()] == ["lost update"]
    place = modal_emulator.picture(tmp_path / "run.html")
    assert 'class="bad"' not in place.read_text()
