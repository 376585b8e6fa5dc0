"""One app for all clauses about web functions, so that its containers start once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import randbelow, token_hex
from typing import Any

import modal

from modal_contracts.web import pages

__all__ = ["Web", "image", "open_web"]

WARM_SECONDS = 300
# Of this run alone, and below those that are given to whoever asks for any: where containers share
# the machine's network, other runs have servers as well.
PORT = 20_000 + randbelow(10_000)


@dataclass(frozen=True)
class Web:
    """The functions of the app, and what they are given."""

    site: "modal.Function[..., Any, Any]"
    wsgi: "modal.Function[..., Any, Any]"
    endpoint: "modal.Function[..., Any, Any]"
    posting: "modal.Function[..., Any, Any]"
    server: "modal.Function[..., Any, Any]"
    plain: "modal.Function[..., Any, Any]"
    desk: Any
    volume: modal.Volume
    marks: modal.Queue
    go: modal.Queue


def image() -> modal.Image:
    """Return an image with FastAPI and this package."""
    with_fastapi = modal.Image.debian_slim().pip_install("fastapi[standard]")
    return with_fastapi.add_local_python_source("modal_contracts")


@contextmanager
def open_web() -> Iterator[Web]:
    """Run the app for the length of the block."""
    app = modal.App()
    volume = modal.Volume.from_name(f"web-{token_hex(6)}", create_if_missing=True)
    marks, go = (modal.Queue.from_name(f"web-{token_hex(6)}", create_if_missing=True) for _ in "ab")
    for each in (volume, marks, go):
        each.hydrate()
    options: dict[str, Any] = {
        "serialized": True,
        "image": image(),
        "max_containers": 1,
        "scaledown_window": WARM_SECONDS,
    }

    def function(name: str, decorated: Any, **more: Any) -> Any:
        return app.function(name=name, **options, **more)(decorated)

    concurrent = modal.concurrent(max_inputs=20)
    secret = modal.Secret.from_dict({"CLAUSE_WORD": "swordfish"})
    mounts: dict[Any, Any] = {pages.DATA: volume}
    made = Web(
        site=function(
            "site",
            concurrent(modal.asgi_app()(lambda: pages.Site(volume, marks, go))),
            volumes=mounts,
            secrets=[secret],
        ),
        wsgi=function("wsgi", modal.wsgi_app()(lambda: pages.pages_of)),
        endpoint=function("endpoint", modal.fastapi_endpoint()(pages.greet), secrets=[secret]),
        posting=function("posting", modal.fastapi_endpoint(method="POST", docs=True)(pages.greet)),
        server=function(
            "server", modal.web_server(PORT, startup_timeout=60)(lambda: pages.files_of(PORT))
        ),
        plain=function("plain", pages.say_who),
        desk=app.cls(serialized=True, image=image(), scaledown_window=WARM_SECONDS, volumes=mounts)(
            pages.Desk
        ),
        volume=volume,
        marks=marks,
        go=go,
    )
    with app.run():
        yield made
