"""What keeps a process from the real Modal."""

import asyncio
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import aiohttp
import pytest

from modal_emulator.guard import ReachedOut, closed_to_modal, pointed

SERVER = {
    "MODAL_SERVER_URL": "http://127.0.0.1:4444",
    "MODAL_TOKEN_ID": "ak-demo",
    "MODAL_TOKEN_SECRET": "as-demo",
}


def test_what_leads_elsewhere_is_removed() -> None:
    inherited = {
        "MODAL_PROFILE": "work",
        "MODAL_OAUTH_REFRESH_TOKEN": "x",
        "MODAL_OVERRIDE_HEADERS": "a:b",
        "MODAL_IS_REMOTE": "1",
        "MODAL_ENVIRONMENT": "dev",
        "HOME": "/home/me",
    }
    changes = pointed(SERVER, inherited, "/nowhere/modal.toml")
    removed = {name for name, value in changes.items() if value is None}
    assert removed == {
        "MODAL_PROFILE",
        "MODAL_OAUTH_REFRESH_TOKEN",
        "MODAL_OVERRIDE_HEADERS",
        "MODAL_IS_REMOTE",
    }
    assert "MODAL_ENVIRONMENT" not in changes
    assert "HOME" not in changes


def test_everything_points_at_the_server() -> None:
    changes = pointed(SERVER, {"MODAL_SERVER_URL": "https://api.modal.com"}, "/nowhere/modal.toml")
    assert SERVER.items() <= changes.items()
    assert changes["MODAL_STREAMS_URL"] == SERVER["MODAL_SERVER_URL"]
    assert changes["MODAL_CONFIG_PATH"] == "/nowhere/modal.toml"


def test_no_proxy_stands_between() -> None:
    changes = pointed(SERVER, {"NO_PROXY": "example.org,localhost"}, "x")
    assert changes["NO_PROXY"] == "example.org,localhost,127.0.0.1,::1"
    assert changes["no_proxy"] == "127.0.0.1,localhost,::1"
    assert changes["MODAL_DISABLE_API_PROXY"] == "1"


@pytest.mark.parametrize(
    "host", ["api.modal.com", "API.Modal.COM.", "api.modal2.com", "me--app.modal.run", b"modal.com"]
)
def test_modal_cannot_be_looked_up(host: str | bytes) -> None:
    with closed_to_modal(), pytest.raises(ReachedOut, match=r"modal2?\."):
        socket.getaddrinfo(host, 443)


def test_libraries_are_refused_too() -> None:
    with closed_to_modal(), pytest.raises(ReachedOut):
        urllib.request.urlopen("https://api.modal.com", timeout=1)

    async def connect() -> None:
        await asyncio.open_connection("api.modal.com", 443)

    with closed_to_modal(), pytest.raises(ReachedOut):
        asyncio.run(connect())


def test_others_are_looked_up_as_before() -> None:
    before = socket.getaddrinfo
    with closed_to_modal():
        assert socket.getaddrinfo("127.0.0.1", 80) == before("127.0.0.1", 80)
        assert socket.getaddrinfo(None, 80)
        with pytest.raises(OSError, match=r"."):
            socket.getaddrinfo("notmodal.com.invalid", 80)
    assert socket.getaddrinfo is before


@pytest.mark.parametrize(
    "url", ["https://api.modal.com", "http://192.0.2.1:443", "http://modal.internal:50051"]
)
def test_the_sdk_stays_on_this_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import modal

    monkeypatch.setenv("MODAL_DISABLE_API_PROXY", "1")
    monkeypatch.setenv("MODAL_SERVER_URL", url)
    with closed_to_modal() as refused, pytest.raises(ReachedOut, match="refused to connect to"):
        modal.Client.from_credentials("ak-mine", "as-mine").hello()
    assert set(refused) == {urlsplit(url).hostname}


def test_the_sdks_http_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from modal._utils.async_utils import synchronizer
    from modal._utils.http_utils import ClientSessionRegistry

    monkeypatch.setenv("MODAL_DISABLE_API_PROXY", "1")

    @synchronizer.create_blocking
    async def fetch(url: str) -> int:
        async with ClientSessionRegistry.get_session().get(url) as response:
            return int(response.status)

    with closed_to_modal() as refused:
        for url in ("http://192.0.2.1/block", "http://blocks.example/block"):
            with pytest.raises(ReachedOut):
                fetch(url)
        with pytest.raises(aiohttp.ClientConnectorError):
            fetch("http://127.0.0.1:1/block")
    assert refused == ["192.0.2.1", "blocks.example"]


def test_others_may_leave_this_machine() -> None:
    """A user's event loop gets as far as the network lets it, names and addresses alike."""

    async def connect(host: str) -> None:
        await asyncio.wait_for(asyncio.open_connection(host, 9), 0.1)

    with closed_to_modal() as refused:
        for host in ("192.0.2.1", "nowhere.invalid"):
            with pytest.raises((OSError, asyncio.TimeoutError)):
                asyncio.run(connect(host))
    assert refused == []
