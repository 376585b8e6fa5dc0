"""
The environment of a container, put together in Modal's order.

Image first, then secrets in the order of their list (the caller merges these), and what Modal
itself sets last, which nothing overrides. Pure functions.
"""

import os
import sys
from collections.abc import Mapping

__all__ = ["BARE", "RESERVED", "base_environment", "container_environment"]

# Cannot be overridden by a Function's configuration; modal-semantics 2.2 [doc]. The server's
# address and the arguments' path are the runtime's own way to the container.
RESERVED = frozenset(
    {
        "MODAL_CLOUD_PROVIDER",
        "MODAL_CONTAINER_ARGUMENTS_PATH",
        "MODAL_ENVIRONMENT",
        "MODAL_IDENTITY_TOKEN",
        "MODAL_IMAGE_ID",
        "MODAL_IS_REMOTE",
        "MODAL_REGION",
        "MODAL_SANDBOX_ID",
        "MODAL_SERVER_URL",
        "MODAL_TASK_ID",
    }
)
_PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BARE = {
    "PATH": _PROGRAMS,
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
    "TERM": "xterm-256color",
    "TZ": "UTC",
}
"""What is set in an image that says nothing of it."""


def base_environment(host: Mapping[str, str]) -> dict[str, str]:
    """
    Return what is set before the image says anything.

    The container runs in the local Python environment, so the search path for programs begins
    where this interpreter lives and goes on as outside; nothing else of the host's is taken.
    """
    here = os.path.dirname(sys.executable)  # noqa: PTH120
    path = [here, *host.get("PATH", _PROGRAMS).split(os.pathsep)]
    return {**BARE, "PATH": os.pathsep.join(dict.fromkeys(each for each in path if each))}


def container_environment(
    *,
    image: Mapping[str, str],
    secrets: Mapping[str, str],
    container_id: str,
    image_id: str,
    environment_name: str,
    region: str,
    cloud: str,
    base: Mapping[str, str] | None = None,
    host: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """
    Return the environment of one container, over `base` or what this machine's Python needs.

    That secrets win over the image's ENV is a guess (modal-semantics 2.3 [guess]).
    """
    reserved = {
        "MODAL_CLOUD_PROVIDER": f"CLOUD_PROVIDER_{cloud.upper() or 'UNSPECIFIED'}",
        "MODAL_ENVIRONMENT": environment_name,
        "MODAL_IMAGE_ID": image_id,
        "MODAL_IS_REMOTE": "1",
        "MODAL_REGION": region,
        "MODAL_TASK_ID": container_id,
    }
    under = base_environment(host) if base is None else base
    chosen = {**under, **image, **secrets}
    return {k: v for k, v in chosen.items() if k not in RESERVED} | reserved
