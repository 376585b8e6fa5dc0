"""Forwarding ports of containers."""

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred, observed
from modal_contracts.network import answering
from modal_contracts.scene import Scene

__all__ = ()

SDK = inferred("modal/_tunnel.py", "_forward")


@clause("network/bytes-go-through-a-tunnel-while-it-is-open", documented("guide/tunnels"))
def test_bytes_go_through_a_tunnel_while_it_is_open(scene: Scene) -> None:
    """What is said at a tunnel's TCP socket is heard at the port; after its end nobody answers."""
    during, after = scene.container().run(answering.talk_through_a_tunnel, b"anybody there?")
    assert (during, after) == (b"anybody there?", b"")


@clause(
    "network/a-port-is-forwarded-once",
    observed("a user was refused a second, unencrypted tunnel to the same port"),
)
@pytest.mark.parametrize("unencrypted", [False, True], ids=["tls", "tcp"])
def test_a_port_is_forwarded_once(scene: Scene, unencrypted: bool) -> None:
    """A port that is forwarded is not forwarded again, whatever the protocol."""
    said = scene.container().run(answering.forward_twice, 8000, unencrypted)
    assert said == "Port 8000 is already forwarded"


@clause("network/each-port-has-its-own-tunnel", SDK)
def test_each_port_has_its_own_tunnel(scene: Scene) -> None:
    """Two ports are forwarded side by side, and one again after its end."""
    assert scene.container().run(answering.forward_two, 8000) is True


@clause("network/there-are-65535-ports", SDK)
@pytest.mark.parametrize("port", [0, 65536])
def test_there_are_65535_ports(scene: Scene, port: int) -> None:
    """Other numbers are refused."""
    assert scene.container().run(answering.try_port, port) == f"Invalid port number {port}"


@clause("network/forwarding-is-for-containers", SDK)
def test_forwarding_is_for_containers(scene: Scene) -> None:
    """Outside a container there is nothing to forward."""
    only = "Forwarding ports only works inside a Modal container"
    refused = pytest.raises(modal.exception.InvalidError, match=only)
    with refused, modal.forward(8000):
        pass
