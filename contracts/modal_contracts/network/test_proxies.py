"""Proxies, as far as code can get them: they are made in the dashboard."""

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import observed
from modal_contracts.scene import Scene

__all__ = ()


@clause(
    "network/an-unknown-proxy-is-named",
    observed("a test of Modal's own JS and Go clients expects these words of the real service"),
)
def test_an_unknown_proxy_is_named(scene: Scene) -> None:
    """An app with a proxy that is not there does not start; the error names the proxy."""
    name = scene.unused_name("proxy")
    app = modal.App()
    proxy = modal.Proxy.from_name(name, environment_name=scene.environment)
    app.function(proxy=proxy, serialized=True, name="proxied")(print)
    unknown = pytest.raises(modal.exception.NotFoundError, match=f"Proxy '{name}' not found")
    with unknown, app.run(environment_name=scene.environment):
        pass
