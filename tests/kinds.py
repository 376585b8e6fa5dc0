"""Functions of every kind that the SDK has, for containers of threads."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import modal
import modal.experimental

app = modal.App("kinds")
shelf = modal.Volume.from_name("shelf", create_if_missing=True)
other = modal.Volume.from_name("other", create_if_missing=True, version=2)
SHELF = Path("/shelf")
seen: list[object] = []


@app.function(volumes={str(SHELF): shelf})
def write(name: str, text: str) -> str:
    (SHELF / name).write_text(text)
    shelf.commit()
    return f"{name}: {text}"


@app.function(volumes={str(SHELF): shelf})
def read(name: str) -> str:
    shelf.reload()
    return (SHELF / name).read_text()


@app.function()
def who() -> dict[str, object]:
    return {
        "local": modal.is_local(),
        "input": modal.current_input_id(),
        "call": modal.current_function_call_id(),
        "task": os.environ["MODAL_TASK_ID"],
        "thread": threading.get_ident(),
        "cwd": str(Path.cwd()),
    }


@app.function()
async def later(seconds: float, value: object) -> object:
    await asyncio.sleep(seconds)
    return value


@app.function()
def count(most: int) -> Iterator[int]:
    for number in range(most):
        if number == 7:
            raise ValueError("seven")
        yield number


@app.function()
async def count_later(most: int) -> AsyncIterator[int]:
    for number in range(most):
        await asyncio.sleep(0)
        yield number


@app.function()
def append(items: list[int]) -> list[int]:
    items.append(1)
    seen.append(items)
    return items


@app.function()
def last() -> str:
    modal.experimental.stop_fetching_inputs()
    return os.environ["MODAL_TASK_ID"]


@app.function(max_containers=1)
@modal.concurrent(max_inputs=8)
async def narrow(wanted: int) -> int:
    if wanted:
        modal.experimental.set_local_input_concurrency(wanted)
    await asyncio.sleep(0)
    return modal.experimental.get_local_input_concurrency()


@app.function()
def fail(text: str) -> None:
    raise LookupError(text)


@app.function()
def outer(number: int) -> int:
    return inner.remote(number) + sum(inner.map([1, 2, 3])) + inner.local(1)


@app.function()
def inner(number: int) -> int:
    return number * 2


@app.function()
@modal.batched(max_batch_size=4, wait_ms=60_000)  # full long before
def batch(numbers: list[int]) -> list[tuple[int, int]]:
    return [(number, len(numbers)) for number in numbers]


@app.function()
@modal.concurrent(max_inputs=8)
def together(count: int) -> str:
    gate.wait(60)
    return threading.current_thread().name


@app.function()
@modal.concurrent(max_inputs=8)
async def together_later(number: int) -> tuple[int, int]:
    crowd.append(number)
    while len(crowd) < 4:
        await asyncio.sleep(0.001)
    return number, threading.get_ident()


gate = threading.Barrier(4)
crowd: list[int] = []


@app.function(timeout=60)
def doze(seconds: float) -> str:
    seen.append("dozing")
    time.sleep(seconds)
    return "slept"


@app.function()
def doze_at_first() -> str:
    seen.append("dozing")
    if len(seen) == 1:
        time.sleep(600)
    return "slept"


@app.function()
def wait_in_c() -> None:
    came.set()
    door.wait()


came, door = threading.Event(), threading.Event()


@app.cls(volumes={"/other": other})
class Desk:
    """A class with all that classes have."""

    name: str = modal.parameter(default="nobody")

    @modal.enter()
    def begin(self) -> None:
        self.said = [f"enter {self.name}"]

    @modal.enter()
    async def begin_later(self) -> None:
        await asyncio.sleep(0)
        self.said.append("enter later")

    @modal.method()
    def say(self, word: str) -> list[str]:
        self.said.append(word)
        return self.said

    @modal.method()
    async def say_later(self, word: str) -> list[str]:
        return [*self.said, word, *await self.again.remote.aio(word)]

    @modal.method()
    def again(self, word: str) -> list[str]:
        return [word, word]

    @modal.method()
    def letters(self, word: str) -> Iterator[str]:
        yield from word

    @modal.exit()
    def end(self) -> None:
        Path("/other/bye.txt").write_text(" ".join(self.said))


@app.cls()
class Broken:
    """A class that cannot begin."""

    @modal.enter()
    def begin(self) -> None:
        raise RuntimeError("no coffee")

    @modal.method()
    def work(self) -> None:
        pass
