"""Where apps and containers are: environments, regions, clouds."""

from typing import Any

import modal
import pytest

from modal_contracts.apps.editions import Shop, place, telling
from modal_contracts.calling import function
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented
from modal_contracts.scene import Scene

__all__ = ()

ENVIRONMENTS = documented("guide/environments")
REGIONS = documented("guide/region-selection")


@clause("apps/each-environment-has-its-own-apps", ENVIRONMENTS)
def test_each_environment_has_its_own_apps(scene: Scene) -> None:
    """Apps of one name in two environments are two apps, and one is not found in the other."""
    shop, other = Shop(scene), scene.unused_name("env")
    modal.environments.create_environment(other)
    try:
        shop.deploy(environment=other, tell=telling("there"))
        with pytest.raises(modal.exception.NotFoundError):
            shop.function(environment=scene.environment).hydrate()
        shop.deploy(tell=telling("here"))
        assert shop.function(environment=other).remote() == "there"
        assert shop.function().remote() == "here"
    finally:
        modal.environments.delete_environment(other)


@clause(
    "apps/an-environment-takes-its-apps-along",
    assumed("the command warns that all that is in the environment is deleted"),
)
def test_an_environment_takes_its_apps_along(scene: Scene) -> None:
    """Apps of an environment that was deleted are not found, also when it is made again."""
    shop, other = Shop(scene), scene.unused_name("env")
    modal.environments.create_environment(other)
    try:
        shop.deploy(environment=other, tell=telling("there"))
        modal.environments.delete_environment(other)
        modal.environments.create_environment(other)
        with pytest.raises(modal.exception.NotFoundError):
            shop.function(environment=other).hydrate()
    finally:
        modal.environments.delete_environment(other)


@clause("apps/a-container-knows-where-it-is", documented("guide/environment_variables"))
def test_a_container_knows_where_it_is(scene: Scene) -> None:
    """A container's environment names its region, and its cloud in Modal's own words."""
    region, cloud = function(scene, place).remote()
    assert region and cloud.startswith("CLOUD_PROVIDER_")


@clause("apps/a-function-runs-where-it-asks-to", REGIONS)
def test_a_function_runs_where_it_asks_to(scene: Scene) -> None:
    """A function that asks for a region runs in it, and a broad one stands for those in it."""
    region, cloud = function(scene, place, region="us-east-1").remote()
    assert (region, cloud) == ("us-east-1", "CLOUD_PROVIDER_AWS")
    region, _ = function(scene, place, region="us").remote()
    assert region.startswith("us-")


@pytest.mark.parametrize("wish", [{"region": "atlantis"}, {"cloud": "cumulus"}])
@clause(
    "apps/a-place-that-there-is-not-is-refused",
    assumed("Modal's own tests see Sandboxes refused for such a region and for such a cloud"),
)
def test_a_place_that_there_is_not_is_refused(scene: Scene, wish: dict[str, Any]) -> None:
    """A function that asks for an unknown region or cloud is not created."""
    with pytest.raises(modal.exception.InvalidError):
        function(scene, place, **wish)
