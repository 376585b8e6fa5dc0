"""
Functions and classes of a clause's own, in an app that runs until the clause is over.

What they do is sent by value or by reference; the package is in the image, and nothing else.
"""

import inspect
from typing import Any

import modal

from modal_contracts.scene import Scene

__all__ = ["class_of", "function", "functions", "image", "one_input_only"]

Function = Any
"""A `modal.Function`, whose parameters differ between releases."""


def function(scene: Scene, body: Any, **options: Any) -> Function:
    """Make one function of a body; the options go to `App.function`."""
    return functions(scene, body, **options)[0]


def functions(scene: Scene, *bodies: Any, **options: Any) -> list[Function]:
    """Make functions of one app."""
    app = modal.App()
    made = [_function(app, body, options) for body in bodies]
    scene.run_app(app)
    return made


def class_of(scene: Scene, kind: type, **options: Any) -> Any:
    """Make a class of an app of its own; the options go to `App.cls`."""
    app = modal.App()
    made = app.cls(serialized=True, image=image(), **options)(kind)
    scene.run_app(app)
    return made


def image() -> modal.Image:
    """Return an image that holds this package."""
    return modal.Image.debian_slim().add_local_python_source("modal_contracts")


def one_input_only() -> dict[str, Any]:
    """Say "one input per container" as the installed SDK wants it said."""
    if "single_use_containers" in inspect.signature(modal.App.function).parameters:
        return {"single_use_containers": True}
    return {"max_inputs": 1}


def _function(app: modal.App, body: Any, options: dict[str, Any]) -> Function:
    raw = getattr(body, "raw_f", body)
    name = getattr(raw, "__name__", "body")
    return app.function(**{"name": name, "serialized": True, "image": image(), **options})(body)
