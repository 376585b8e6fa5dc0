"""
Download a data set once and unpack it into a volume.

    modal run dataset_unzip.py
    modal run dataset_unzip.py --url https://example.com/your-data.zip

Without a URL the function itself serves an archive on its own loopback interface, so that the
example needs no network: the sources of the `email` package of its Python, zipped.
"""

import contextlib
import email
import functools
import http.server
import shutil
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import modal

app = modal.App("example-dataset-unzip")
volume = modal.Volume.from_name("example-dataset", create_if_missing=True)

DATA = Path("/data")


@app.function(volumes={str(DATA): volume}, timeout=3600)
def download(url: str = "") -> int:
    """Unpack the archive at `url` under /data/dataset; return the number of files."""
    with contextlib.ExitStack() as stack:
        url = url or stack.enter_context(archive_on_loopback())
        # The archive goes to the container's own disk: a volume is for what is to be kept.
        archive = stack.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(stack.enter_context(urllib.request.urlopen(url)), archive)
        unpacked = stack.enter_context(zipfile.ZipFile(archive))
        unpacked.extractall(DATA / "dataset")
        files = [entry for entry in unpacked.infolist() if not entry.is_dir()]
    volume.commit()
    return len(files)


@app.function(volumes={str(DATA): volume})
def count(suffix: str) -> int:
    volume.reload()  # this container may be older than the download
    return sum(path.suffix == suffix for path in (DATA / "dataset").rglob("*"))


@contextlib.contextmanager
def archive_on_loopback() -> Iterator[str]:
    """Serve a zip file over HTTP as long as the context lasts; yield its URL."""
    with tempfile.TemporaryDirectory() as directory:
        sources = Path(email.__file__).parent
        with zipfile.ZipFile(Path(directory) / "email.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(sources.rglob("*.py")):
                archive.write(path, Path("email") / path.relative_to(sources))

        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            serving = threading.Thread(target=server.serve_forever)
            serving.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/email.zip"
            finally:  # also when the download fails, or it would go on as long as the container
                server.shutdown()
                serving.join()


@app.local_entrypoint()
def main(url: str = "") -> None:
    print(f"unpacked {download.remote(url)} files")
    print(f"of these, {count.remote('.py')} are Python sources")
