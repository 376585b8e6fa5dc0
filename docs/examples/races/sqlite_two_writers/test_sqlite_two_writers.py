"""Two orders come at the same time."""

import re

import pytest
from sqlite_two_writers import broken, fixed

from modal_emulator import RaceFound, explore


def two_orders(order, items) -> None:
    for call in [order.spawn("apples"), order.spawn("pears")]:
        call.get()
    assert items.remote() == ["apples", "pears"]


def test_two_writers_lose_a_row(modal_emulator):
    with pytest.raises(RaceFound) as race:
        explore(lambda: two_orders(broken.order, broken.items), app=broken.app)
    # Both have read before the first of them commits.
    assert re.search(r"(reload 'orders'.*){2}(commit 'orders'.*){2}", race.value.story, re.DOTALL)


@explore(app=fixed.app)
def test_one_owner_loses_none(modal_emulator):
    orders = fixed.Orders()
    two_orders(orders.order, orders.items)
