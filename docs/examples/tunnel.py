"""
A port of a container that everybody reaches who is told the address.

    modal run tunnel.py

The container serves one page to one visitor, over TLS, and ends.
"""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import modal

app = modal.App("example-tunnel")


class Page(BaseHTTPRequestHandler):
    """One page; it knows nothing of tunnels and TLS."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Hello from a container.\n")


@app.function()
def serve_once() -> Iterator[str]:
    # All interfaces: what listens on localhost only is not reached from outside.
    # Any free port will do, for the tunnel has an address of its own.
    with (
        HTTPServer(("0.0.0.0", 0), Page) as server,
        modal.forward(server.server_port) as tunnel,
    ):
        yield tunnel.url
        server.handle_request()


@app.local_entrypoint()
def main() -> None:
    for url in serve_once.remote_gen():
        print("Visit", url)
    print("There was a visitor.")
