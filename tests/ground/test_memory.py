import gc

import pytest

from modal_emulator.ground.memory import only_births


def test_the_search_for_garbage_is_put_off_and_comes_back():
    with pytest.raises(ZeroDivisionError), only_births():
        assert not gc.isenabled()
        with only_births():
            assert not gc.isenabled()
        assert not gc.isenabled()
        1 / 0  # noqa: B018
    assert gc.isenabled()
