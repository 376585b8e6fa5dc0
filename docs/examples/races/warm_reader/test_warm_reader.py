"""A price is asked for, changed, and asked for again."""

import pytest
from warm_reader import broken, fixed

from modal_emulator import RaceFound, explore


def a_price_changes(prices) -> None:
    prices.set_price.remote("apple", 20)
    assert prices.price.remote("apple") == 20
    prices.set_price.remote("apple", 25)
    assert prices.price.remote("apple") == 25


def test_a_warm_container_is_stale(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(lambda: a_price_changes(broken), app=broken.app)
    # The container that read the old price is asked again.
    assert " price#1 " in race.value.story
    assert " price#2 " not in race.value.story


@explore(app=fixed.app)
def test_a_reload_sees_the_newest(modal_emulator):
    a_price_changes(fixed)
