"""`modal.forward`: what a container opens to outsiders, and until when."""

import contextlib
import inspect
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator

import httpx
import modal
import pytest
from modal.exception import InvalidError

from modal_emulator.emulator import Running

app = modal.App("forward")
words = modal.Queue.from_name("forward-words", create_if_missing=True)

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


INLINE = pytest.param("inline", marks=pytest.mark.modal(runtime="inline"))
PROCESS = pytest.param("process", marks=pytest.mark.modal(runtime="process"))


@pytest.fixture(params=[INLINE, PROCESS], autouse=True)
def running(modal_emulator: Running) -> Iterator[Running]:
    with app.run():
        yield modal_emulator


@contextlib.contextmanager
def answering(page: bytes) -> Iterator[int]:
    """Say one page to everybody who says anything; gives the port."""
    listening = socket.create_server(("0.0.0.0", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listening.accept()
                with line, contextlib.suppress(OSError):
                    line.recv(1000)
                    line.sendall(page)
                    line.shutdown(socket.SHUT_WR)
                    while line.recv(1000):  # closed on what is unread, it would be a reset
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@app.function()
def show(unencrypted: bool = False) -> Iterator[object]:
    """Serve a page through a tunnel until a word comes, and again until the next one."""
    with answering(PAGE) as port:
        with modal.forward(port, unencrypted=unencrypted) as tunnel:
            yield tunnel.tls_socket, tunnel.tcp_socket if unencrypted else tunnel.url
            words.get()
        yield "closed"
        words.get()


@app.function()
def show_h2() -> Iterator[str]:
    """The same by HTTP/2: the fewest frames that make an answer."""
    # SETTINGS and its ACK, then HEADERS `:status: 200` and DATA on stream 1.
    frames = "00000004000000000000000004010000000000000101040000000188"
    page = bytes.fromhex(frames + "000005000100000001") + b"hello"
    with answering(page) as port, modal.forward(port, h2_enabled=True) as tunnel:
        yield tunnel.url
        words.get()


@app.function()
def twice() -> list[str]:
    said = []
    for unencrypted in (False, True):
        try:
            with modal.forward(8000), modal.forward(8000, unencrypted=unencrypted):
                said.append("twice")
        except InvalidError as error:
            said.append(str(error))
    with modal.forward(8000), modal.forward(8001):
        said.append("two ports")
    return said


def trusting(running: Running) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(running.ca_file))


def test_a_page_of_a_container_is_seen_outside_until_the_tunnel_ends(running: Running) -> None:
    shown = show.remote_gen()
    (host, port), url = next(shown)
    assert url == f"https://{host}:{port}"
    assert httpx.get(url, verify=trusting(running), timeout=60).text == "hello"
    curl = ["curl", "--silent", "--show-error", "--cacert", str(running.ca_file), url]
    assert subprocess.check_output(curl) == b"hello"
    words.put("on")
    assert next(shown) == "closed"
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, verify=trusting(running), timeout=60)
    words.put("on")
    assert list(shown) == []


def test_raw_bytes_have_a_port_of_their_own(running: Running) -> None:
    shown = show.remote_gen(unencrypted=True)
    tls, plain = next(shown)
    assert tls != plain
    with socket.create_connection(plain) as line:
        line.sendall(b"anything")
        assert line.recv(1000) == PAGE
    with trusting(running).wrap_socket(
        socket.create_connection(tls), server_hostname=tls[0]
    ) as line:
        line.sendall(b"anything")
        assert line.recv(1000) == PAGE
    words.put_many(["on", "on"])
    assert list(shown) == ["closed"]


@pytest.mark.skipif(
    "h2_enabled" not in inspect.signature(modal.forward).parameters, reason="as old SDKs cannot ask"
)
def test_http_2_is_spoken_where_it_is_offered(running: Running) -> None:
    shown = show_h2.remote_gen()
    url = next(shown)
    with httpx.Client(http2=True, verify=trusting(running), timeout=60) as client:
        answer = client.get(url)
    assert (answer.http_version, answer.text) == ("HTTP/2", "hello")
    words.put("on")
    assert list(shown) == []


def test_a_port_is_forwarded_once(running: Running) -> None:
    refused = "Port 8000 is already forwarded"
    assert twice.remote() == [refused, refused, "two ports"]


@pytest.mark.parametrize("running", [PROCESS], indirect=True)
def test_the_end_of_a_container_is_the_end_of_its_tunnels(running: Running) -> None:
    shown = show.remote_gen()
    _, url = next(shown)
    (container,) = running.containers("show")
    container.kill()
    with pytest.raises(httpx.TransportError):
        httpx.get(url, verify=trusting(running), timeout=60)
    assert running.ask(lambda world: world.network.tunnels.of(container.container_id)) == ()


def test_outside_a_container_there_is_nothing_to_forward(running: Running) -> None:
    refused = pytest.raises(InvalidError, match="only works inside a Modal container")
    with refused, modal.forward(8000):
        pass
