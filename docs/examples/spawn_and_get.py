"""
Start a call, go away, and come back for its result, from another process if need be.

    modal run spawn_and_get.py

`spawn` returns at once. The call's id is all that is needed to ask for its result later; Modal
keeps it for seven days. `get(timeout=0)` only looks.
"""

import time

import modal

app = modal.App("example-spawn-and-get")


@app.function()
def count_words(text: str, seconds: float = 0) -> int:
    time.sleep(seconds)
    if not text:
        raise ValueError("there is no text")
    return len(text.split())


def look(call_id: str) -> str:
    """Say how it stands with a call of which only the id is known."""
    try:
        return f"{modal.FunctionCall.from_id(call_id).get(timeout=0)} words"
    except TimeoutError:  # Python's own: the call is not over. Modal's mean that it failed.
        return "not ready"
    except ValueError as error:
        return f"failed: {error}"


@app.local_entrypoint()
def main() -> None:
    call = count_words.spawn("so much to do, so little time", seconds=2)
    print("at once:  ", look(call.object_id))
    call.get()
    print("later:    ", look(call.object_id))
    print("and again:", look(call.object_id))

    three = [count_words.spawn("word " * number) for number in (1, 2, 3)]
    print("three:    ", modal.FunctionCall.gather(*three))
