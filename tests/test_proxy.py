"""Proxies: what a container sends out comes from their addresses, and servers can tell."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import modal
import pytest
from modal.exception import NotFoundError

import proxied
from modal_emulator.emulator import Running
from postgres import PASSWORD, binaries, serving

pytestmark = pytest.mark.modal(runtime="process")


@pytest.fixture
def guarded(modal_emulator: Running) -> Iterator[str]:
    """A server that lets the proxy's addresses in and nobody else; its URL."""
    allowed = modal_emulator.proxy("office").addresses

    class Gate(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.client_address[0] in allowed:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"welcome")
            else:
                self.send_error(403, "not on the list")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gate) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_with_an_allow_list_tells_who_comes_by_the_proxy(
    guarded: str, modal_emulator: Running
) -> None:
    with proxied.app.run():
        assert proxied.by_proxy.remote(guarded) == ["welcome", "welcome"]
        assert proxied.directly.remote(guarded) == "403 not on the list"


def test_postgresql_tells_by_pg_hba(modal_emulator: Running) -> None:
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql; Debian has it as `postgresql`")
    (address,) = modal_emulator.proxy("office").addresses
    with serving(programs) as postgres, proxied.app.run():
        postgres.query(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
        postgres.admit(
            f"host shop guest {address}/32 scram-sha-256", "host all guest 127.0.0.1/32 reject"
        )
        assert proxied.query_by_proxy.remote(postgres.port, PASSWORD) == "welcome"
        assert "pg_hba.conf rejects connection" in proxied.query_directly.remote(
            postgres.port, PASSWORD
        )


def test_a_proxy_that_is_not_there_is_named(modal_emulator: Running) -> None:
    app = modal.App("lost")
    nobody = modal.Proxy.from_name("nobody")
    app.function(proxy=nobody, serialized=True, name="lost")(print)
    with pytest.raises(NotFoundError, match=r"^Proxy 'nobody' not found$"), app.run():
        pass


def test_addresses_follow_from_the_name(modal_emulator: Running) -> None:
    proxy = modal_emulator.proxy("office")
    first = proxy.addresses
    assert proxy.add_address() not in first
    assert proxy.addresses[:1] == first
    proxy.remove()
    assert not proxy.exists()
    assert modal_emulator.proxy("office").addresses == first
    assert modal_emulator.proxy("other").addresses != first


@pytest.mark.modal(runtime="inline", isolation="plain")
def test_containers_that_cannot_come_from_there_do_not_run(modal_emulator: Running) -> None:
    modal_emulator.proxy("office")
    with (
        proxied.app.run(),
        pytest.raises(Exception, match="proxy= needs containers that can mount"),
    ):
        proxied.by_proxy.remote("http://localhost:1")


@pytest.mark.modal(runtime="inline")
def test_threads_come_from_there_too(guarded: str, modal_emulator: Running) -> None:
    with proxied.app.run():
        assert proxied.by_proxy.remote(guarded) == ["welcome", "welcome"]
        assert proxied.directly.remote(guarded) == "403 not on the list"
        assert proxied.fetch(guarded) == "403 not on the list"
        assert proxied.by_proxy.remote(guarded) == ["welcome", "welcome"]
