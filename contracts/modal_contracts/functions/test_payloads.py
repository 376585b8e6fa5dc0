"""Arguments and results too large for a message."""

import pytest

from modal_contracts.calling import function
from modal_contracts.clause import clause
from modal_contracts.evidence import inferred
from modal_contracts.functions import work
from modal_contracts.scene import Scene

__all__ = ()

BLOBS = inferred("modal/_utils/blob_utils.py", "MAX_OBJECT_SIZE_BYTES")
MIB = 1 << 20


@clause("functions/large-arguments-and-results-go-all-the-same", BLOBS)
def test_large_arguments_and_results_go_all_the_same(scene: Scene) -> None:
    """Arguments and results of many MiB arrive whole, of calls, maps and spawned calls alike."""
    echo = function(scene, work.echo)
    large = bytes(range(256)) * (5 * MIB // 256)
    assert echo.remote(large) == large
    small = large[: 3 * MIB]
    assert list(echo.map([small, b"", large])) == [small, b"", large]
    call = echo.spawn(large[:10_000])
    assert call.get() == call.get() == large[:10_000]


@clause("functions/a-generator-may-give-large-values", BLOBS)
def test_a_generator_may_give_large_values(scene: Scene) -> None:
    """Values of a generator may be large, and arrive in order."""
    sizes = [10, 3 * MIB, 0, 2 * MIB + 1]
    values = list(function(scene, work.give).remote_gen(sizes))
    assert [len(value) for value in values] == sizes
    assert values[1] == b"\x01" * sizes[1]


@clause("functions/an-error-may-be-large", BLOBS)
def test_an_error_may_be_large(scene: Scene) -> None:
    """An exception with much to carry arrives whole."""
    text = "x" * (3 * MIB)
    with pytest.raises(work.OfOurOwn) as caught:
        function(scene, work.raises_of_our_own).remote(text, 7)
    assert caught.value.args == (text, 7)
