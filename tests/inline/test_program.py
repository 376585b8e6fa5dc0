"""User code of every kind in containers of threads, called through the SDK."""

import subprocess
import sys
import threading
import traceback
from pathlib import Path

import modal
import pytest

import kinds
from modal_emulator.emulator import Running

pytestmark = pytest.mark.modal(runtime="inline")


@pytest.fixture(autouse=True)
def app(modal_emulator: Running):
    kinds.seen.clear()
    kinds.crowd.clear()
    kinds.gate.reset()
    with kinds.app.run():
        yield


def test_a_volume_goes_from_one_container_to_the_other() -> None:
    assert kinds.write.remote("a.txt", "hello") == "a.txt: hello"
    assert kinds.read.remote("a.txt") == "hello"
    assert not kinds.SHELF.exists()
    assert b"".join(kinds.shelf.read_file("a.txt")) == b"hello"


def test_a_container_knows_what_it_is() -> None:
    said = kinds.who.remote()
    assert said["local"] is False and modal.is_local()
    assert said["input"].startswith("in-") and said["call"].startswith("fc-")
    assert modal.current_input_id() is None
    assert said["task"].startswith("ta-") and said["cwd"] == "/root"
    assert said["thread"] != threading.get_ident()
    assert kinds.who.remote()["thread"] == said["thread"]


def test_it_is_local_again_where_functions_are_called_locally() -> None:
    with pytest.raises(KeyError, match="MODAL_TASK_ID"):
        kinds.who.local()


def test_asynchronous_functions_and_generators() -> None:
    assert kinds.later.remote(0.0, {"a": 1}) == {"a": 1}
    assert list(kinds.count_later.remote_gen(20)) == list(range(20))


def test_what_a_generator_gave_before_it_failed_has_arrived() -> None:
    given = []
    with pytest.raises(ValueError, match="seven"):
        given.extend(kinds.count.remote_gen(5))
        for number in kinds.count.remote_gen(9):
            given.append(number)
    # The SDK may raise before it has handed out all that came.
    assert given[:5] == [0, 1, 2, 3, 4] and given[5:] == list(range(7))[: len(given) - 5]


def test_arguments_and_results_are_copies() -> None:
    mine = [5]
    result = kinds.append.remote(mine)
    assert (mine, result, kinds.seen) == ([5], [5, 1], [[5, 1]])
    assert kinds.seen[0] is not result


def test_large_arguments_and_results_go_as_blobs() -> None:
    large = bytes(3 << 20)
    assert kinds.later.remote(0, large) == large


def test_an_exception_shows_the_lines_of_user_code() -> None:
    with pytest.raises(LookupError, match="gone") as caught:
        kinds.fail.remote("gone")
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.name == "fail" and last.filename.endswith("kinds.py")
    assert not [f for f in traceback.extract_tb(caught.tb) if "/modal_emulator/" in f.filename]


def test_what_cannot_be_pickled_fails_its_call() -> None:
    app = modal.App("odd")

    @app.function(serialized=True)
    def odd(what: str) -> object:
        if what == "raise":
            raise RuntimeError(threading.Lock())
        return threading.Lock()

    with app.run():
        with pytest.raises(TypeError, match="pickle"):
            odd.remote("return")
        with pytest.raises(modal.exception.SerializationError, match="Failed to serialize"):
            odd.remote("raise")


def test_a_container_leaves_when_it_wants_no_more() -> None:
    assert kinds.last.remote() != kinds.last.remote()


def test_a_container_takes_fewer_inputs_at_once() -> None:
    assert kinds.narrow.remote(0) == 8
    assert kinds.narrow.remote(2) in (2, 8)
    assert kinds.narrow.remote(0) == 2
    assert list(kinds.narrow.map([0] * 10)) == [2] * 10
    kinds.narrow.remote(100)
    assert kinds.narrow.remote(0) == 8


def test_functions_call_functions() -> None:
    assert kinds.outer.remote(5) == 10 + (2 + 4 + 6) + 2


def test_spawn_and_get() -> None:
    calls = [kinds.inner.spawn(number) for number in range(5)]
    assert [call.get() for call in calls] == [0, 2, 4, 6, 8]


def test_a_batch_is_one_call() -> None:
    assert sorted(kinds.batch.map([1, 2, 3, 4])) == [(number, 4) for number in (1, 2, 3, 4)]


def test_a_batch_of_the_wrong_shape() -> None:
    app = modal.App("odd")

    @app.function(serialized=True)
    @modal.batched(max_batch_size=2, wait_ms=1)
    def short(numbers: list[int]) -> list[int]:
        return [*numbers, 0]

    with app.run():
        with pytest.raises(modal.exception.InvalidError, match="a list of equal length"):
            short.remote(1)
        with pytest.raises(modal.exception.InvalidError, match="takes 1 positional arguments"):
            short.remote(1, 2)


def test_many_inputs_at_once_on_threads_and_on_one_loop() -> None:
    assert len(set(kinds.together.map(range(4)))) == 4
    numbers, threads = zip(*kinds.together_later.map(range(4)), strict=True)
    assert sorted(numbers) == [0, 1, 2, 3] and len(set(threads)) == 1


def test_a_class_enters_serves_and_exits(modal_emulator: Running) -> None:
    ann = kinds.Desk(name="ann")
    assert ann.say.remote("hi") == ["enter ann", "enter later", "hi"]
    assert kinds.Desk().say.remote("hi") == ["enter nobody", "enter later", "hi"]
    assert ann.say_later.remote("lo")[-3:] == ["lo", "lo", "lo"]
    assert list(ann.letters.remote_gen("abc")) == ["a", "b", "c"]
    for container in modal_emulator.containers("Desk"):
        container.stop()
        container.wait()
    said = modal_emulator.volume("other").head.read("bye.txt").decode()
    assert said.startswith("enter ")


def test_a_class_that_cannot_begin() -> None:
    with pytest.raises(RuntimeError, match="no coffee"):
        kinds.Broken().work.remote()


def test_a_function_of_the_test_is_itself_and_not_a_copy() -> None:
    app, heard = modal.App("local"), []

    @app.function(serialized=True)
    def hear(word: str) -> int:
        heard.append(word)
        return len(heard)

    @app.cls(serialized=True)
    class Ear:
        @modal.method()
        def hear(self, word: str) -> int:
            heard.append(word)
            return len(heard)

    with app.run():
        assert (hear.remote("one"), Ear().hear.remote("two")) == (1, 2)
    assert heard == ["one", "two"]


def test_mocks_reach_user_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "SHELF", kinds.SHELF / "deeper")
    with pytest.raises(FileNotFoundError, match=r"/shelf/deeper/a\.txt"):
        kinds.write.remote("a.txt", "x")


def test_a_cancelled_call_is_broken_off(modal_emulator: Running) -> None:
    call = kinds.doze.spawn(600)
    container = modal_emulator.container("doze")
    while not kinds.seen:
        pass
    call.cancel()
    with pytest.raises(modal.exception.RemoteError, match="cancelled"):
        call.get()
    assert kinds.doze.remote(0) == "slept"
    assert not container.is_gone


def test_a_stopped_container_is_interrupted_and_its_input_begins_again(
    modal_emulator: Running,
) -> None:
    call = kinds.doze_at_first.spawn()
    container = modal_emulator.container("doze_at_first")
    while not kinds.seen:
        pass
    container.stop()
    container.wait()
    assert call.get() == "slept" and len(kinds.seen) == 2


def test_a_late_function_fails(modal_emulator: Running) -> None:
    app = modal.App("late")

    @app.function(serialized=True, timeout=1)
    def late() -> None:
        import time

        time.sleep(600)

    with app.run(), pytest.raises(modal.exception.FunctionTimeoutError, match="timeout of 1s"):
        late.remote()


def test_nobody_waits_for_a_thread_that_no_interrupt_reaches(modal_emulator: Running) -> None:
    call = kinds.wait_in_c.spawn()
    container = modal_emulator.container("wait_in_c")
    assert kinds.came.wait(60)
    container.stop()
    container.wait(25)  # less than the grace that other containers get
    call.cancel()
    kinds.door.set()


@pytest.mark.slow
def test_what_another_process_deployed(modal_emulator: Running, tmp_path: Path) -> None:
    """It is found if this process can import it, and said to be missing otherwise."""
    (tmp_path / "stranger.py").write_text(
        "import modal\n"
        "app = modal.App('strangers')\n"
        "@app.function()\n"
        "def double(number):\n"
        "    return number * 2\n"
    )
    command = [sys.executable, "-m", "modal", "deploy", "stranger.py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    double = modal.Function.from_name("strangers", "double")
    with pytest.raises(Exception, match=r"stranger.double is not to be found in this process"):
        double.remote(4)
    sys.path.insert(0, str(tmp_path))
    try:
        assert double.remote(4) == 8
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("stranger", None)
