"""
What a fork does to become the main process of a container.

Needs nothing but Python's own library and `ground`, so that it can also be done in an image that
has little else.
"""

import signal
from pathlib import Path

__all__ = ["restore_signals", "show_time"]


def restore_signals() -> None:
    """Have signals do what they do in a fresh interpreter."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Also where the server was started with SIGINT ignored, as shells do in the background:
    # the SDK's orderly end is a KeyboardInterrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def show_time(page: Path, naps: Path) -> None:
    """Let user code see the server's time and sleep by it; here its files are still in sight."""
    from modal_emulator.ground.clockface import show
    from modal_emulator.ground.clockpage import look
    from modal_emulator.ground.naps import Note, sleep_by
    from modal_emulator.sdk import MODULES

    seen = look(page)
    show(seen, MODULES)
    sleep_by(seen, Note(naps), MODULES)
