"""Listings by clients whose clock is the machine's, where the emulator's is not."""

import time

import modal
import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(modal.Volume, "objects"), reason="this SDK lists nothing in pages"
)
KINDS = [modal.Volume, modal.Secret, modal.Dict, modal.Queue]


def make(kind, name):
    kind.objects.create(name, *[{}] * (kind is modal.Secret))


@pytest.fixture
def travel(modal_emulator):
    yield modal_emulator.clock.advance
    modal_emulator.clock.resume()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_was_made_later_is_listed(modal_emulator, travel, kind):
    for number in range(101):  # more than a page, made in the client's last minute
        make(kind, f"early-{number}")
    travel(30 * 86_400)
    make(kind, "late")
    names = [each.name for each in kind.objects.list()]
    assert names == ["late", *(f"early-{number}" for number in reversed(range(101)))]
    assert kind.objects.list(created_before="2025-01-01") == []
    assert [each.name for each in kind.objects.list(max_objects=2)] == ["late", "early-100"]
    soon = modal_emulator.ask(lambda world: world.clock.now()) - 10
    assert len(kind.objects.list(created_before=_day(soon))) == 101


def _day(instant):
    return time.strftime("%Y-%m-%d", time.gmtime(instant))
