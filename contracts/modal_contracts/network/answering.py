"""What clauses about the network do inside containers: see `bodies` for what may be used here."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import modal

__all__ = ["forward_twice", "forward_two", "talk_through_a_tunnel", "try_port"]


@contextmanager
def _echoing() -> Iterator[int]:
    """Listen on all interfaces and send everybody's words back; gives the port."""
    listening = socket.create_server(("0.0.0.0", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = listening.accept()
                with line:
                    while data := line.recv(1000):
                        line.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _say(place: tuple[str, int], words: bytes) -> bytes:
    try:
        with socket.create_connection(place, timeout=60) as line:
            line.sendall(words)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(1000), b""))
    except OSError:
        return b""


def talk_through_a_tunnel(words: bytes) -> tuple[bytes, bytes]:
    """Say something through a tunnel to a server here, while it is open and after that."""
    with _echoing() as port:
        with modal.forward(port, unencrypted=True) as tunnel:
            place = tunnel.tcp_socket
            during = _say(place, words)
        return during, _say(place, words)


def forward_twice(port: int, unencrypted: bool) -> str:
    """Forward a port that is forwarded; return how that was refused."""
    with modal.forward(port):
        return try_port(port, unencrypted)


def forward_two(port: int) -> bool:
    """Forward two ports, and the first again once it is free."""
    with modal.forward(port) as one, modal.forward(port + 1) as other:
        differ = (one.host, one.port) != (other.host, other.port)
    with modal.forward(port):
        return differ


def try_port(port: int, unencrypted: bool = False) -> str:
    """Forward a port; return how that was refused."""
    try:
        with modal.forward(port, unencrypted=unencrypted):
            return ""
    except modal.exception.InvalidError as error:
        return str(error)
