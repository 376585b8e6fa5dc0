"""Faults that a test plans, met by the real SDK in both kinds of containers."""

import errno
import io

import modal
import pytest

import breaking
from modal_emulator.emulator import Running, Settings, running
from modal_emulator.ground.errors import EmulatorError, Invalid
from modal_emulator.handles import FaultsHandle
from modal_emulator.schedule.faults.planning import lines_of

# A commit in the background, between a write and what is to happen at a commit, is another step.
pytestmark = pytest.mark.modal(background_commit_seconds=0)

RUNTIMES = [
    pytest.param("inline", marks=pytest.mark.modal(runtime="inline")),
    pytest.param("process", marks=[pytest.mark.modal(runtime="process"), pytest.mark.slow]),
]
everywhere = pytest.mark.parametrize("runtime", RUNTIMES)
inline = pytest.mark.modal(runtime="inline")
retrying = pytest.mark.skipif(
    not hasattr(modal.volume, "_raise_on_block_response_error"),
    reason="this SDK does not try bodies again, or not from their beginning",
)


@everywhere
def test_the_sdk_tries_again_what_is_unavailable(modal_faults: FaultsHandle, runtime: str) -> None:
    modal_faults.error("VolumeCommit", status="UNAVAILABLE", volume="data", function="write")
    with breaking.app.run():
        breaking.write.remote("a")
        assert breaking.listed() == ["a"]
        (struck,) = modal_faults.struck
        assert struck.function == "write" and struck.container_id.startswith("ta-")


@everywhere
@pytest.mark.parametrize("status", ["ABORTED", "DATA_LOSS"])
def test_user_code_meets_what_the_sdk_does_not_try_again(
    modal_faults: FaultsHandle, runtime: str, status: str
) -> None:
    modal_faults.error("VolumeCommit", status=status, times=2)
    with breaking.app.run():
        if status == "DATA_LOSS":
            assert breaking.patient.remote("a") == 3
        else:
            with pytest.raises(Exception, match="ABORTED, as planned"):
                breaking.write.remote("a")


@everywhere
def test_an_answer_that_is_lost_leads_to_a_second_effect(
    modal_faults: FaultsHandle, runtime: str
) -> None:
    queue = modal.Queue.from_name("q", create_if_missing=True)
    queue.put_many(["a", "b"])
    modal_faults.drop("QueueGet", when="after", queue="q")
    assert queue.get() == "b"  # nobody ever sees the other
    assert queue.len() == 0 and modal_faults.left == ()


@everywhere
def test_a_step_fails_for_one_function_and_one_path_alone(
    modal_faults: FaultsHandle, runtime: str
) -> None:
    modal_faults.error(
        at="dict write", status="ABORTED", dict="totals", function="count", path="*bread*"
    )
    with breaking.app.run():
        assert breaking.count.remote("apples") == 1
        with pytest.raises(Exception, match="ABORTED, as planned"):
            breaking.count.remote("bread")
        breaking.totals["bread"] = 5  # a client's
        assert breaking.count.remote("bread") == 6


@pytest.mark.modal(clock="2024-01-31T12:00:00Z")
@everywhere
def test_a_late_step_is_late_by_the_emulators_clock(
    modal_emulator: Running, modal_faults: FaultsHandle, runtime: str
) -> None:
    modal_faults.delay(at="commit", seconds=240, function="write")
    before = modal_emulator.clock.timestamp()
    with breaking.app.run():
        breaking.write.remote("a")
    assert 240 <= modal_emulator.clock.timestamp() - before < 300


@everywhere
@pytest.mark.parametrize(("when", "left"), [("before", ["a"]), ("after", ["a", "b"])])
def test_a_container_is_killed_at_a_step(
    modal_emulator: Running, modal_faults: FaultsHandle, runtime: str, when: str, left: list[str]
) -> None:
    modal_faults.kill(at="commit", when=when, after=1, function="write")
    with breaking.app.run():
        with pytest.raises(modal.exception.RemoteError, match="SIGKILL"):
            breaking.write.remote("a", "b", "c")
        # What it had written is kept, as after any kill of a container with a volume of version 2.
        committed = [r for r in modal_emulator.volume("data").versions if r.via == "commit"]
        assert len(committed) == len(left)
    assert modal_faults.left == ()


@everywhere
def test_a_container_is_preempted_at_a_step(
    modal_emulator: Running, modal_faults: FaultsHandle, runtime: str
) -> None:
    modal_faults.preempt(at="commit", function="write")
    with breaking.app.run():
        container = breaking.write.remote("a")
    events = modal_emulator.journal("container.interrupt")
    assert [e.values["why"] for e in events] == ["preempted"]
    assert events[0].values["container_id"] != container  # it began again in another


@everywhere
def test_a_region_goes_down_at_a_step(
    modal_emulator: Running, modal_faults: FaultsHandle, runtime: str
) -> None:
    with breaking.app.run():
        first = breaking.write.remote("a")
        (container,) = modal_emulator.containers()
        modal_faults.region_down(container.region, at="commit")
        assert breaking.write.remote("b") != first
        assert breaking.listed() == ["a", "b"]
        (other,) = modal_emulator.containers()
        assert other.region != container.region


@inline
def test_plans_are_told_and_taken_back(modal_faults: FaultsHandle) -> None:
    plan = modal_faults.error("QueuePut", status="ABORTED")
    assert repr(plan) == "<fault error('QueuePut', status='ABORTED', times=1)>"
    assert modal_faults.left == modal_faults.standing == (str(plan.plan),)
    plan.remove()
    with modal_faults.drop("QueuePut", every=2):
        assert modal_faults.left == ("drop('QueuePut', every=2)",)
    modal_faults.load('[[fault]]\nwhat = "drop"\nrpc = "QueuePut"\n')
    assert modal_faults.left == () and modal_faults.standing == ("drop('QueuePut', times=1)",)
    modal_faults.clear()
    assert modal_faults.standing == modal_faults.struck == ()
    with pytest.raises(Invalid, match="no RPC is called 'QeuePut'; did you mean 'QueuePut'"):
        modal_faults.drop("QeuePut")


@pytest.mark.modal(runtime="inline", faults=["commit_fails data", "# nothing", "drop QueueLen"])
def test_a_world_may_begin_with_faults(modal_faults: FaultsHandle) -> None:
    assert modal_faults.standing == ("commit_fails('data', times=1)", "drop('QueueLen', times=1)")
    assert modal_faults.left == ()  # nobody said that each is to be met


@pytest.mark.parametrize("line", ["drop QeueLen", "dorp"])
def test_a_world_that_cannot_be_leaves_the_one_before(line: str) -> None:
    with running(settings=Settings(runtime="inline")) as emulator:
        before = emulator.ask(lambda world: world.journal)
        wrong = Settings(runtime="inline", faults=lines_of([line]))
        with pytest.raises(EmulatorError):
            emulator.reset(wrong)
        assert emulator.ask(lambda world: world.journal) is before


@everywhere
def test_a_full_disk_refuses_what_is_opened_for_writing(
    modal_faults: FaultsHandle, runtime: str
) -> None:
    with breaking.app.run():
        with modal_faults.disk_full("data", function="write"):
            for _ in range(2):
                with pytest.raises(OSError, match=r"No space left on device") as caught:
                    breaking.write.remote("a")
                assert caught.value.errno == errno.ENOSPC
        breaking.write.remote("b")
        modal_faults.disk_full(at="commit", times=1)
        with pytest.raises(RuntimeError, match="No space left on device"):
            breaking.write.remote("c")
        assert breaking.listed() == ["b"]


@retrying
@inline
@pytest.mark.parametrize(("way", "body"), [("download", "block"), ("upload", "block")])
def test_the_sdk_tries_again_what_broke_off(
    modal_faults: FaultsHandle, way: str, body: str
) -> None:
    content = bytes(range(256)) * 1000
    plan = modal_faults.truncate(way, body)
    with breaking.data.batch_upload() as batch:
        batch.put_file(io.BytesIO(content), "a")
    assert b"".join(breaking.data.read_file("a")) == content
    assert modal_faults.left == () and [s.plan for s in modal_faults.struck] == [str(plan.plan)]


@retrying
@inline
def test_a_blob_breaks_off(modal_faults: FaultsHandle) -> None:
    modal_faults.truncate("upload", "blob", keep=3)
    modal_faults.truncate("download", "blob", keep=0)
    with breaking.app.run():
        assert breaking.size.remote(b"x" * 3_000_000) == 3_000_000
        assert len(breaking.much.remote(3_000_000)) == 3_000_000
    assert modal_faults.left == ()


@everywhere
@pytest.mark.parametrize("begins", ["real", "2024-01-31T12:00:00Z"])
def test_a_container_has_a_clock_that_is_off(
    modal_emulator: Running, modal_faults: FaultsHandle, runtime: str, begins: str
) -> None:
    if begins != "real":
        modal_emulator.clock.freeze(begins)
    with breaking.app.run():
        modal_faults.skew(seconds=-300, function="stamp")
        began = modal_emulator.clock.timestamp()
        seen, other = breaking.stamp.remote("a"), breaking.clock.remote()
        breaking.write.remote("b")
        now = modal_emulator.clock.timestamp()
        assert began - 300.001 <= seen <= now - 300
        assert began - 0.001 <= other <= now + 0.001
        entries = {entry.path: entry.mtime for entry in breaking.data.listdir("/")}
        assert began - 302 <= entries["a"] <= now - 300 and began - 2 <= entries["b"] <= now
    assert [s.fault for s in modal_faults.struck] == ["skew"]


@everywhere
def test_a_sleep_with_a_clock_that_is_off_lasts_as_long(
    modal_emulator: Running, modal_faults: FaultsHandle, runtime: str
) -> None:
    modal_emulator.clock.freeze("2024-01-31T12:00:00Z")
    began = modal_emulator.clock.timestamp()
    modal_faults.skew(seconds=1000)
    with breaking.app.run():
        assert 60 <= breaking.nap.remote(60.0) < 61
        assert modal_emulator.clock.timestamp() - began == 60


@inline
def test_calls_are_known_by_the_function_that_is_called(modal_faults: FaultsHandle) -> None:
    modal_faults.error("FunctionGetOutputs", status="ABORTED", called="size")
    modal_faults.drop("FunctionGetOutputs", called="nobody")
    with breaking.app.run():
        assert breaking.clock.remote() > 0
        with pytest.raises(Exception, match="ABORTED, as planned"):
            breaking.size.remote(b"x")
    assert modal_faults.left == ("drop('FunctionGetOutputs', called='nobody', times=1)",)
    modal_faults.clear()
