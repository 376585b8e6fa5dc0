"""What the JS SDK calls: deployed by the test."""

import os
from pathlib import Path
from typing import Any

import modal

app = modal.App("for-js")
volume = modal.Volume.from_name("for-js", create_if_missing=True)
secret = modal.Secret.from_name("for-js", required_keys=["GREETING"])


@app.function(volumes={"/data": volume}, secrets=[secret])
def greet(name: str, punctuation: str = "!") -> str:
    text = f"{os.environ['GREETING']} {name}{punctuation}"
    Path("/data/last.txt").write_text(text)
    volume.commit()
    return text


@app.function()
def fail() -> None:
    raise ValueError("as told")


@app.function(serialized=True)
@modal.asgi_app()
def site() -> Any:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"for node"})

    return answer


@app.function()
def size_of(data: bytes) -> int:
    return len(data)


@app.cls()
class Counter:
    start: int = modal.parameter(default=0)

    @modal.enter()
    def begin(self) -> None:
        self.value = self.start

    @modal.method()
    def add(self, by: int) -> int:
        self.value += by
        return self.value
