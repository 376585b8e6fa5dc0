"""
Download a file that is given only to those who hold a token; the token comes from a secret.

    modal run authenticated_download.py

To need no account anywhere, the example makes a token that lives for one run, and the server
runs inside the function's container. Your own token belongs in a named secret:

    modal secret create my-download-token DOWNLOAD_TOKEN=...
    secret = modal.Secret.from_name("my-download-token", required_keys=["DOWNLOAD_TOKEN"])
"""

import contextlib
import hashlib
import http.server
import os
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import modal

app = modal.App("example-authenticated-download")
volume = modal.Volume.from_name("example-authenticated-download", create_if_missing=True)

# The container imports this module as well. There the token is already in the environment, and
# the number of secrets must be the same on both sides, so an empty one stands in its place.
token = secrets.token_urlsafe() if modal.is_local() else ""
secret = modal.Secret.from_dict({"DOWNLOAD_TOKEN": token} if modal.is_local() else {})

DATA = Path("/data")


@app.function(volumes={str(DATA): volume}, secrets=[secret])
def download(token_sha256: str) -> int:
    """Fetch the file with the token, keep it on the volume, return its size."""
    with file_on_loopback(token_sha256) as url:
        bearer = {"Authorization": f"Bearer {os.environ['DOWNLOAD_TOKEN']}"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=bearer)) as reply:
            (DATA / "server.py").write_bytes(reply.read())
    volume.commit()
    return (DATA / "server.py").stat().st_size


@app.function()
def download_without_token(token_sha256: str) -> int:
    """Ask without a token; return the HTTP status."""
    with file_on_loopback(token_sha256) as url:
        try:
            return urllib.request.urlopen(url).status
        except urllib.error.HTTPError as refusal:
            return refusal.code


@contextlib.contextmanager
def file_on_loopback(token_sha256: str) -> Iterator[str]:
    """Serve a file to whoever sends the token with this digest; yield its URL."""
    file = Path(http.server.__file__).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
            known = hashlib.sha256(sent.encode()).hexdigest() == token_sha256
            body = file if known else b"who are you?"
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/server.py"
        finally:  # also when the download fails, or it would go on as long as the container
            server.shutdown()
            serving.join()


@app.local_entrypoint()
def main() -> None:
    digest = hashlib.sha256(token.encode()).hexdigest()
    print(f"without the token: HTTP {download_without_token.remote(digest)}")
    print(f"with the token:    {download.remote(digest)} bytes")
    print("on the volume:    ", *(entry.path for entry in volume.listdir("/")))
