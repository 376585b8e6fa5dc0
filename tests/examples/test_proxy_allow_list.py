"""The partner's service lets the proxy in and nobody else."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType

import pytest

from modal_emulator.emulator import Running


@pytest.mark.modal(runtime="process")
def test_the_allow_list(modal_emulator: Running, example: Callable[[str], ModuleType]) -> None:
    allowed = modal_emulator.proxy("office").addresses

    class Partner(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.client_address[0] in allowed
            self.send_response(200 if known else 403, "welcome" if known else "who are you")
            self.end_headers()
            self.wfile.write(b"welcome")

    with HTTPServer(("127.0.0.1", 0), Partner) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            allow_list = example("proxy_allow_list")
            with allow_list.app.run():
                url = f"http://127.0.0.1:{server.server_port}"
                assert allow_list.by_proxy.remote(url) == "welcome"
                assert allow_list.directly.remote(url) == "403 who are you"
        finally:
            server.shutdown()
            thread.join()
