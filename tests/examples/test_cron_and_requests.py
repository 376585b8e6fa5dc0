"""What requests see of a volume while and after a schedule writes it."""

from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running

# In a process, `time.sleep` sleeps by the machine.
pytestmark = pytest.mark.modal(runtime="inline")


@pytest.fixture
def at_ten(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> Callable[[str], ModuleType]:
    """Deploy one of the apps, let it make its first list, and have its readers warm."""

    def begin(name: str) -> ModuleType:
        shop = example(f"cron_and_requests.{name}")
        modal_emulator.clock.freeze("2024-03-11T09:59:00Z")
        shop.app.deploy()
        modal_emulator.clock.move_to("2024-03-11T10:58:00Z")
        assert shop.price.remote() == "10 at 10:00"
        return shop

    return begin


@pytest.mark.modal(findings={"default": "off"})
def test_requests_collide(modal_emulator: Running, at_ten: Callable[[str], ModuleType]) -> None:
    collides = at_ten("collides")
    assert collides.price_now.remote() == "10 at 10:00"
    with pytest.raises(RuntimeError, match=r"open files preventing .* prices\.json is open"):
        collides.Counter().price.remote()

    modal_emulator.clock.move_to("2024-03-11T11:01:00Z")  # `rebuild` is at work
    assert collides.price.remote() == "10 at 10:00"
    assert collides.price_now.remote() == "11 at 10:00"

    modal_emulator.clock.move_to("2024-03-11T11:05:00Z")
    assert collides.price.remote() == "10 at 10:00"
    assert collides.price_now.remote() == "11 at 11:00"
    assert [str(finding.subject) for finding in modal_emulator.findings()] == [
        "reload that can never succeed",
        "torn publish",
        "stale read",
    ]


def test_requests_agree(modal_emulator: Running, at_ten: Callable[[str], ModuleType]) -> None:
    agrees = at_ten("agrees")
    modal_emulator.clock.move_to("2024-03-11T11:01:00Z")
    assert agrees.price.remote() == "10 at 10:00"
    modal_emulator.clock.move_to("2024-03-11T12:05:00Z")
    assert agrees.price.remote() == "12 at 12:00"
    assert lists(modal_emulator) == {"current", "2024-03-11T1100", "2024-03-11T1200"}


@pytest.mark.modal(background_commit_seconds=0)
def test_a_run_publishes_all_it_did_at_once(
    modal_emulator: Running, at_ten: Callable[[str], ModuleType]
) -> None:
    """Within the minute in which the writer's container is idle, and commits nothing by itself."""
    agrees = at_ten("agrees")
    modal_emulator.clock.move_to("2024-03-11T11:01:00Z")
    assert agrees.price.remote() == "10 at 10:00"
    modal_emulator.clock.move_to("2024-03-11T11:02:30Z")  # the same container answers
    assert agrees.price.remote() == "11 at 11:00"
    modal_emulator.clock.move_to("2024-03-11T12:02:30Z")
    assert lists(modal_emulator) == {"current", "2024-03-11T1100", "2024-03-11T1200"}
    assert len(modal_emulator.volume("prices-agree").versions) == 3


def test_a_list_put_by_hand_stays_for_those_who_read_it(
    modal_emulator: Running, at_ten: Callable[[str], ModuleType]
) -> None:
    agrees = at_ten("agrees")
    modal_emulator.clock.move_to("2024-03-11T11:02:30Z")
    by_hand = {"prices.json": '{"apples": 7}', "date.txt": "noon"}
    modal_emulator.volume("prices-agree").write(
        {"current": "by-hand", **{f"by-hand/{name}": text for name, text in by_hand.items()}}
    )
    assert agrees.price.remote() == "7 at noon"
    agrees.rebuild.remote()  # in the container that has seen other lists
    assert agrees.price.remote() == "11 at 11:02"
    assert lists(modal_emulator) == {"current", "by-hand", "2024-03-11T1102"}


def lists(modal_emulator: Running) -> set[str]:
    """What stands in the volume's top directory."""
    return {path.split("/")[0] for path in modal_emulator.volume("prices-agree").tree()}
