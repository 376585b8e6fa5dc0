"""How what a function raises comes back, and what cannot be sent."""

import traceback

import modal
import pytest

from modal_contracts.calling import function
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.functions import work
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

ERRORS = inferred("modal/_utils/function_utils.py", "_process_result")


@clause("functions/an-error-comes-back-as-it-was-raised", ERRORS)
def test_an_error_comes_back_as_it_was_raised(scene: Scene) -> None:
    """What a function raises is raised by the call, of its own class and with what it carries."""
    with pytest.raises(work.OfOurOwn) as caught:
        function(scene, work.raises_of_our_own).remote("broken", 7)
    assert caught.value.args == ("broken", 7)
    assert caught.value.code == 7


@clause("functions/a-traceback-names-the-lines-in-the-container", ERRORS)
def test_a_traceback_names_the_lines_in_the_container(scene: Scene) -> None:
    """The traceback of such an error goes on into the function's own lines."""
    with pytest.raises(LookupError) as caught:
        function(scene, work.raises).remote("nothing here")
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "raises"
    assert frames[-1].filename.endswith("work.py")


@clause(
    "functions/a-result-that-cannot-be-sent-is-an-error",
    inferred("modal/_serialization.py", "serialize"),
)
def test_a_result_that_cannot_be_sent_is_an_error(scene: Scene) -> None:
    """A result that cannot be pickled fails the call."""
    with pytest.raises(Exception, match=r"(?i)pickle") as caught:
        function(scene, work.unpicklable).remote()
    assert "generator" in str(caught.value)


@clause(
    "functions/an-error-that-cannot-be-sent-is-told-of",
    inferred("modal/_serialization.py", "pickle_exception"),
)
def test_an_error_that_cannot_be_sent_is_told_of(scene: Scene) -> None:
    """An exception that cannot be pickled comes back as one that quotes it."""
    with pytest.raises(modal.exception.SerializationError, match="this cannot be sent"):
        function(scene, work.unpicklable_error).remote()


@clause(
    "functions/an-argument-that-cannot-be-sent-is-refused-here",
    inferred("modal/_serialization.py", "serialize"),
)
def test_an_argument_that_cannot_be_sent_is_refused_here(scene: Scene) -> None:
    """An argument that cannot be pickled is refused where the call is made."""
    echo = function(scene, work.echo)
    with pytest.raises(Exception, match=r"(?i)pickle"):
        echo.remote(n for n in range(3))
    assert echo.remote(1) == 1


@clause("functions/a-wrong-call-is-a-type-error", documented("sdk/py/latest/modal.Function"))
def test_a_wrong_call_is_a_type_error(scene: Scene) -> None:
    """Arguments that the function does not take are its own TypeError."""
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        function(scene, work.double).remote(1, colour="red")


@clause(
    "functions/leaving-is-a-failure",
    assumed("the SDK's container takes SystemExit for an error of the input like any other"),
)
def test_leaving_is_a_failure(scene: Scene) -> None:
    """`sys.exit` within a function fails the input."""
    with pytest.raises(SystemExit):
        function(scene, work.leaves).remote()


@clause(
    "functions/a-container-that-dies-fails-its-input",
    assumed("the guide on retries says that crashes fail inputs; the words are not known"),
    needs=[Capability.SUDDEN_DEATH],
)
def test_a_container_that_dies_fails_its_input(scene: Scene) -> None:
    """The input of a container that ends without a word fails, and the next gets another one."""
    die = function(scene, work.die_at_first, max_containers=1)
    marks = scene.queue()
    with pytest.raises(modal.exception.Error):
        die.remote(marks, 1)
    assert die.remote(marks, 1) == 2
    first, second = marks.get_many(2)
    assert first != second
