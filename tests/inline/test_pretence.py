import threading

from modal_emulator.inline.pretence import _annotating
from modal_emulator.runtime.inline.here import HERE, Here


def test_a_process_of_the_machine_may_end_while_open_files_are_looked_for() -> None:
    ending = iter([ProcessLookupError(3, "No such process"), None])

    def looks(mount_path: str) -> str:
        if error := next(ending):
            raise error
        return f"path a.txt of {mount_path} is open"

    container = Here("ta-1", {}, lambda number, data: None)
    container.threads.add(threading.current_thread())
    before = HERE.set(container)
    try:
        assert _annotating(looks)("/data") == "path a.txt of /data is open"
    finally:
        HERE.reset(before)
