"""Personal data stays in its part of the world, also while a region is down."""

from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running


def test_work_moves_within_the_union_and_waits_rather_than_leave_it(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    placement = example("placement")
    with placement.app.run():
        assert placement.handle.remote("ada") == "eu-west-1"
        region, cloud = placement.summarise.remote()
        assert region.startswith("europe-") and cloud == "CLOUD_PROVIDER_GCP"

        with modal_emulator.regions.outage("eu-west-1"):
            assert placement.handle.remote("bob") == "eu-north-1"
        with modal_emulator.regions.outage("eu"):
            waiting = placement.handle.spawn("eve")
            with pytest.raises(TimeoutError):
                waiting.get(timeout=0)
        assert waiting.get() in ("eu-west-1", "eu-north-1")
    assert dict(placement.reports.items()) == {
        "ada": "eu-west-1",
        "bob": "eu-north-1",
        "eve": waiting.get(),
    }


@pytest.mark.modal(runtime="process")
def test_what_is_lost_with_a_region_begins_again_in_another(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    placement = example("placement")
    with placement.app.run():
        call = placement.wait_for_work.spawn()
        first = modal_emulator.container("wait_for_work").region
        modal_emulator.regions.down(first)
        placement.jobs.put("job")
        assert call.get() == modal_emulator.container("wait_for_work").region != first
