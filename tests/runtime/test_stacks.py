"""Which lines of user code stand on a stack."""

import json
import sys

from modal_emulator.runtime.stacks import lines_of


def here() -> tuple[str, ...]:
    return lines_of(sys._getframe())


def test_lines_of_user_code_only() -> None:
    seen = list[tuple[str, ...]]()

    class Told(json.JSONEncoder):
        def default(self, o: object) -> object:
            seen.append(here())
            return None

    json.dumps([object()], cls=Told)
    # Neither the standard library between them, nor pytest below.
    names = [line.rpartition(" in ")[2] for line in seen[0]]
    assert names == ["test_lines_of_user_code_only", "default", "here"]
    assert all("test_stacks.py:" in line for line in seen[0])
