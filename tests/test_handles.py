"""Ends of containers and faults, brought about by a test and seen through the SDK."""

import io
import subprocess
from pathlib import Path

import modal
import pytest

import killing
from modal_emulator.emulator import Running, Settings, running
from modal_emulator.handles import ContainerHandle
from modal_emulator.pytest_plugin.session import Session
from modal_emulator.runtime.job import Isolation
from yard import require

pytestmark = [
    pytest.mark.slow,
    # Kills of containers of threads are in tests/inline/test_kills.py.
    pytest.mark.modal(runtime="process", background_commit_seconds=0),
]

# What the installed SDK makes of a bad download.
RETRIES = hasattr(modal.volume, "_raise_on_block_response_error")
DIGESTS = hasattr(modal.volume, "_BlockDigestVerifier")

WRITTEN = ["/one/a.txt", "/two/a.txt"]


def desk(emulator: Running) -> ContainerHandle:
    (container,) = emulator.containers("Desk", app="killing")
    return container


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(["/two/a.txt"], id="as-observed"),
        pytest.param([], id="lost", marks=pytest.mark.modal_emulator(after_kill="lost")),
        pytest.param(WRITTEN, id="kept", marks=pytest.mark.modal_emulator(after_kill="kept")),
    ],
)
def test_what_a_kill_leaves(modal_emulator: Running, kept: list[str]) -> None:
    with killing.app.run():
        killing.Desk().write.remote("a.txt")
        container = desk(modal_emulator)
        container.kill()
        assert container.is_gone and modal_emulator.containers() == ()
        assert killing.committed() == kept
        # The next one starts with what there is, and without an exit handler's farewell.
        assert killing.Desk().write.remote("b.txt") == sorted([*kept, "/one/b.txt", "/two/b.txt"])


@pytest.mark.parametrize("isolation", list(Isolation), ids=lambda each: each.value)
def test_a_kill_leaves_the_same_in_every_kind_of_container(
    isolation: Isolation, tmp_path: Path
) -> None:
    require(isolation, tmp_path)
    settings = Settings(isolation=isolation.value, background_commit_interval=0)
    with running(settings=settings) as emulator:
        session = Session(emulator)
        with session.test():
            # Of its own: a module's handles remember the client of the session they met first.
            volume = modal.Volume.from_name("own", create_if_missing=True, version=2)
            app = modal.App()

            def write(name: str) -> None:
                Path("/data", name).write_text(name)

            function = app.function(serialized=True, volumes={"/data": volume}, name="f")(write)
            with app.run():
                function.remote("a.txt")
                emulator.commit_in_background()
                function.remote("b.txt")
                emulator.container("f").kill()
                assert b"".join(volume.read_file("a.txt")) == b"a.txt"
                assert b"".join(volume.read_file("b.txt")) == b"b.txt"
        session.close()


def test_what_was_stored_through_memory_is_found_after_a_kill(
    modal_emulator: Running,
) -> None:
    with killing.app.run():
        killing.Desk().write.remote("a.txt", "old text")
        killing.Desk().store.remote("a.txt", b"mid")
        killing.Desk().commit.remote()
        killing.Desk().store.remote("a.txt", b"new")
        desk(modal_emulator).kill()
    assert b"".join(killing.one.read_file("a.txt")) == b"mid text"
    assert b"".join(killing.two.read_file("a.txt")) == b"new text"


def test_running_out_of_memory_fails_the_call_and_keeps_what_was_committed(
    modal_emulator: Running,
) -> None:
    with killing.app.run():
        killing.Desk().write.remote("a.txt")
        killing.Desk().commit.remote()
        call = killing.Desk().wait.spawn()
        container = desk(modal_emulator)
        container.wait_for_output("waiting")
        assert len(container.inputs) == 1
        container.kill(oom=True)
        with pytest.raises(modal.exception.RemoteError, match=r"out of memory \(OOM\).*SIGKILL"):
            call.get()
        assert killing.committed() == WRITTEN


@pytest.mark.parametrize("code", [0, 3])
def test_an_end_without_goodbye_is_a_kill(modal_emulator: Running, code: int) -> None:
    with killing.app.run():
        with pytest.raises(modal.exception.RemoteError, match=f"exited with code {code}"):
            killing.vanish.remote(code)
        assert killing.committed() == ["/two/vanish.txt"]


def test_a_timed_out_container_commits_when_it_ends(modal_emulator: Running) -> None:
    modal_emulator.clock.freeze()  # or a machine that stalls makes it late before it writes
    with killing.app.run():
        with pytest.raises(modal.exception.FunctionTimeoutError, match="hit its timeout of 1s"):
            killing.late.remote()
        modal_emulator.settle()
        assert killing.committed() == ["/one/late.txt", "/two/late.txt"]


@pytest.mark.modal_emulator(exit_grace_seconds=0.2)
def test_a_timed_out_container_that_does_not_end_is_killed(modal_emulator: Running) -> None:
    modal_emulator.clock.freeze()  # as above
    with killing.app.run():
        with pytest.raises(modal.exception.FunctionTimeoutError):
            killing.late_and_stubborn.remote()
        modal_emulator.settle()
        assert killing.committed() == ["/two/late.txt"]
    (ended,) = modal_emulator.journal("container.exit")
    assert ended.values["signal"] == 9


@pytest.mark.parametrize("name", ["train", "train_async"])
def test_a_preempted_container_commits_and_its_input_begins_again(
    modal_emulator: Running, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with killing.app.run():
        call = getattr(killing, name).spawn()
        container = modal_emulator.container(name)
        container.wait_for_output("at work")
        container.preempt()
        assert call.get() == ["/one/step.txt", "/two/step.txt"]
        assert container.is_gone
    assert "Runner interrupted due to worker preemption." in capsys.readouterr().out


@pytest.mark.modal_emulator(exit_grace_seconds=0.2)
def test_what_does_not_fit_the_grace_is_lost_on_version_1(modal_emulator: Running) -> None:
    with killing.app.run():
        call = killing.train_stubbornly.spawn()
        container = modal_emulator.container("train_stubbornly")
        container.wait_for_output("at work")
        container.preempt()
        container.wait()
        assert call.get() == ["/two/step.txt"]


def test_an_idle_container_is_preempted_with_its_exit_handlers(modal_emulator: Running) -> None:
    with killing.app.run():
        killing.Desk().write.remote("a.txt")
        container = desk(modal_emulator)
        container.preempt()
        container.wait()
        assert killing.committed() == ["/one/a.txt", "/one/bye.txt", "/two/a.txt", "/two/bye.txt"]


def test_modals_own_command_stops_a_container(modal_emulator: Running, warm: Path) -> None:
    with killing.app.run():
        call = killing.train.spawn()
        container = modal_emulator.container("train")
        container.wait_for_output("at work")
        stop = [str(warm / "modal"), "container", "stop", container.container_id]
        has_question = (
            "--yes"
            in subprocess.run(
                [*stop[:-1], "--help"], capture_output=True, text=True, check=True
            ).stdout
        )
        subprocess.run([*stop, *(["--yes"] if has_question else [])], check=True)
        assert call.get() == ["/one/step.txt", "/two/step.txt"]


def test_an_app_that_ends_lets_its_containers_commit(modal_emulator: Running) -> None:
    with killing.app.run():
        killing.train.spawn()
        modal_emulator.container("train").wait_for_output("at work")
    assert killing.committed() == ["/one/step.txt", "/two/step.txt"]


def test_containers_are_found_by_function_and_app(modal_emulator: Running) -> None:
    assert modal_emulator.containers() == ()
    with pytest.raises(TimeoutError, match="no container of 'train' is running after 0 s"):
        modal_emulator.container("train", timeout=0)
    with killing.app.run():
        killing.Desk().write.remote("a.txt")
        (container,) = modal_emulator.containers()
        assert container.container_id.startswith("ta-")
        assert (container.function, container.app, container.inputs) == ("Desk", "killing", ())
        assert repr(container) == (
            f"<container {container.container_id} of 'Desk' in app 'killing'>"
        )
        assert modal_emulator.containers("train") == modal_emulator.containers(app="other") == ()
        with pytest.raises(TimeoutError, match="is still there after 0 s"):
            container.wait(timeout=0)
        with pytest.raises(TimeoutError, match="did not print 'nothing' after 0 s"):
            container.wait_for_output("nothing", timeout=0)
        container.kill()
        with pytest.raises(LookupError, match="ended without printing 'nothing'"):
            container.wait_for_output("nothing")
        container.kill()  # a second time does nothing
        container.wait(timeout=0)


def test_background_commits_come_when_asked_for(modal_emulator: Running) -> None:
    with killing.app.run():
        killing.Desk().write.remote("a.txt")
        assert killing.committed() == []
        modal_emulator.commit_in_background()
        assert killing.committed() == WRITTEN


def test_a_failed_commit_leaves_its_changes_pending(modal_emulator: Running) -> None:
    with killing.app.run():
        killing.Desk().write.remote("a.txt")
        modal_emulator.faults.commit_fails()
        # Without DataLossError (before 1.3) the SDK passes the gRPC error on.
        expected = getattr(modal.exception, "DataLossError", Exception)
        with pytest.raises(expected, match="failed to publish commit to server"):
            killing.Desk().commit.remote()
        assert killing.committed() == []
        killing.Desk().commit.remote()
        assert killing.committed() == WRITTEN


def test_a_fault_waits_for_its_volume_and_for_something_to_commit(modal_emulator: Running) -> None:
    with killing.app.run():
        modal_emulator.faults.commit_fails("two")
        killing.Desk().commit.remote()
        assert modal_emulator.faults.left == ("commit_fails('two', times=1)",)
        killing.Desk().write.remote("a.txt")
        modal_emulator.commit_in_background()
        assert killing.committed() == ["/one/a.txt"]
        (event,) = modal_emulator.journal("volume.background-commit-failed")
        assert "failed to publish commit to server" in str(event.values["error"])
        modal_emulator.commit_in_background()
        assert killing.committed() == WRITTEN
        assert modal_emulator.faults.left == ()


def test_a_failed_commit_at_the_exit_is_only_logged(
    modal_emulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    with killing.app.run():
        killing.Desk().write.remote("a.txt")
        modal_emulator.faults.commit_fails("one")
        container = desk(modal_emulator)
        container.preempt()
        container.wait()
        assert killing.committed() == ["/two/a.txt", "/two/bye.txt"]
    printed = capsys.readouterr()
    assert "modal.Volume background commit failed for vo-" in printed.out + printed.err


def test_listings_are_refused_as_planned(modal_emulator: Running) -> None:
    modal_emulator.faults.listing_rate_limited("two")
    modal_emulator.faults.listing_rate_limited(times=2)
    refusal = getattr(modal.exception, "ResourceExhaustedError", Exception)
    said = r"VolumeListFiles rate limit exceeded\. Please wait and retry\."
    for volume in (killing.one, killing.two, killing.one):
        with pytest.raises(refusal, match=said):
            volume.listdir("/")
    assert modal_emulator.faults.left == ()
    assert killing.one.listdir("/") == killing.two.listdir("/") == []


@pytest.mark.modal_emulator(listings_per_second=0.001)
def test_listings_are_refused_by_rate(modal_emulator: Running) -> None:
    assert killing.one.listdir("/") == []
    with pytest.raises(Exception, match="rate limit exceeded"):
        killing.one.listdir("/")


def put(volume: modal.Volume) -> None:
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(b"apples"), "a.txt")


def read(volume: modal.Volume) -> bytes:
    return b"".join(volume.read_file("a.txt"))


def test_a_block_that_is_away_for_a_moment_is_not_noticed(modal_emulator: Running) -> None:
    put(killing.two)
    if not RETRIES:
        pytest.skip("this SDK does not look at the answer to a download")
    modal_emulator.faults.block_unavailable("two", times=4)
    assert read(killing.two) == b"apples"
    assert modal_emulator.faults.left == ()


def test_a_block_that_stays_away_is_told(modal_emulator: Running) -> None:
    put(killing.two)
    modal_emulator.faults.block_unavailable(times=5 if RETRIES else 1)
    if RETRIES:
        with pytest.raises(modal.exception.ServiceError, match="Service temporarily unavailable"):
            read(killing.two)
    else:
        assert read(killing.two) == b"block_unavailable, as planned\n"
    assert read(killing.two) == b"apples"


def test_a_corrupt_block_is_told_by_sdks_that_look(modal_emulator: Running) -> None:
    put(killing.two)
    modal_emulator.faults.block_corrupt(times=5 if DIGESTS else 1)
    if DIGESTS:
        with pytest.raises(modal.exception.ExecutionError, match="Block download corrupted"):
            read(killing.two)
    else:
        assert read(killing.two) == bytes([ord("a") ^ 0xFF]) + b"pples"
    assert read(killing.two) == b"apples"
