"""Sandboxes for clauses: made in an app of their own, and gone with the clause."""

from typing import Any

import modal

from modal_contracts.scene import DATA, Scene

__all__ = ["SHORT", "app", "box", "end", "said"]

SHORT = 120  # seconds: what a clause leaves behind by mistake does not stay


def app(scene: Scene) -> modal.App:
    """Return an app that runs until the clause is over, and with it its Sandboxes."""
    made = modal.App(scene.unused_name("boxes"))
    scene.run_app(made)
    return made


def box(
    where: modal.App, *command: str, volume: modal.Volume | None = None, **options: Any
) -> modal.Sandbox:
    """Make a Sandbox, by default one that does nothing."""
    volumes = {} if volume is None else {DATA: volume}
    options = {"timeout": SHORT, "volumes": volumes, **options}
    return modal.Sandbox.create(*(command or ("sleep", "100")), app=where, **options)


def said(sandbox: modal.Sandbox, script: str, **options: Any) -> str:
    """Run a script in a Sandbox and return what it printed; it must succeed."""
    process = sandbox.exec("sh", "-c", script, **options)
    printed = str(process.stdout.read())
    error = str(process.stderr.read())
    assert process.wait() == 0, error
    return printed


def end(sandbox: modal.Sandbox) -> int | None:
    """Terminate it and return its exit code once all is over."""
    sandbox.terminate()
    sandbox.wait(raise_on_termination=False)
    return sandbox.returncode
