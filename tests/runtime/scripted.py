"""An entrypoint for tests: runs the Python source that it finds as its arguments."""

import os
import socket
from pathlib import Path


def gate() -> None:
    """Wait until the test lets the script go on."""
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(os.environ["MODAL_SERVER_URL"].removeprefix("unix://"))
        end.recv(1)


if __name__ == "__main__":
    source = Path(os.environ["MODAL_CONTAINER_ARGUMENTS_PATH"]).read_text()
    exec(compile(source, "<script>", "exec"), {"__name__": "__main__", "gate": gate})
