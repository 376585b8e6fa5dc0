"""How long an input may take, and a container to start."""

import modal
import pytest

from modal_contracts.calling import class_of, function
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, observed
from modal_contracts.functions import lives, work
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

GUIDE = documented("guide/timeouts")
TEXT = r"Task's current input in-\S+ hit its timeout of 1s"


@clause("functions/a-late-input-is-a-timeout-of-modals", GUIDE)
def test_a_late_input_is_a_timeout_of_modals(scene: Scene) -> None:
    """An input that takes too long fails with FunctionTimeoutError, which is not Python's own."""
    scene.stop_time()
    sleep = function(scene, work.sleep, timeout=1)
    with pytest.raises(modal.exception.FunctionTimeoutError) as caught:
        sleep.remote(60)
    assert isinstance(caught.value, modal.exception.TimeoutError)
    assert not isinstance(caught.value, TimeoutError)
    assert sleep.remote(0) != ""


@clause(
    "functions/a-timeout-says-which-input-and-how-long",
    observed("users met the text `Task's current input in-... hit its timeout of 3600s`"),
)
def test_a_timeout_says_which_input_and_how_long(scene: Scene) -> None:
    """The error names the input and its timeout."""
    scene.stop_time()
    with pytest.raises(modal.exception.FunctionTimeoutError, match=TEXT):
        function(scene, work.sleep, timeout=1).remote(60)


@clause(
    "functions/a-late-input-is-cancelled-in-its-container",
    observed(
        "the log of a container with a late input shows that the SDK in it received a cancellation"
    ),
)
def test_a_late_input_is_cancelled_in_its_container(scene: Scene) -> None:
    """Late synchronous code meets InputCancellation, late asynchronous code CancelledError."""
    for body, met in (
        (work.tell_and_wait, "InputCancellation"),
        (work.tell_and_wait_async, "CancelledError"),
    ):
        marks = scene.queue()
        with pytest.raises(modal.exception.FunctionTimeoutError):
            # Asynchronous code sleeps by the machine: it needs the time to begin.
            function(scene, body, timeout=5).remote(marks, 60)
        assert {marks.get(), marks.get()} == {"begins", met}


@clause("functions/each-try-has-the-whole-timeout", GUIDE, needs=[Capability.CLOCK])
def test_each_try_has_the_whole_timeout(scene: Scene) -> None:
    """A timeout counts for each try; a try that is late is followed by the next."""
    marks = scene.queue()
    retries = modal.Retries(max_retries=2, backoff_coefficient=1.0, initial_delay=60.0)
    call = function(scene, work.tell_and_wait, timeout=600, retries=retries).spawn(marks, 3000)
    scene.advance(hours=1)
    with pytest.raises(modal.exception.FunctionTimeoutError, match="600s"):
        call.get()
    met = [mark for mark in marks.get_many(99) if mark != "begins"]
    assert met == ["InputCancellation"] * 3


@clause("functions/waiting-in-the-queue-is-no-execution", GUIDE)
def test_waiting_in_the_queue_is_no_execution(scene: Scene) -> None:
    """The timeout counts from when a container begins with the input."""
    scene.stop_time()
    sleep = function(scene, work.sleep, timeout=2, max_containers=1)
    calls = [sleep.spawn(0.8) for _ in range(3)]
    assert all(call.get() for call in calls)


@clause(
    "functions/a-container-must-start-in-time",
    assumed(
        "the guide says that `startup_timeout` bounds a container's start; that the inputs fail "
        "with FunctionTimeoutError is not said"
    ),
    since="1.1.4",
)
def test_a_container_must_start_in_time(scene: Scene) -> None:
    """Inputs of a container that is not ready within `startup_timeout` fail."""
    slow = class_of(scene, lives.SlowToEnter, startup_timeout=1)
    with pytest.raises(modal.exception.FunctionTimeoutError):
        slow().here.remote()
