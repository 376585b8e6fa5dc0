"""Which variant of a class a request is for."""

import httpx
import modal
import pytest

from modal_emulator.emulator import Running

pytestmark = [pytest.mark.slow, pytest.mark.modal(runtime="inline")]

app = modal.App("variants")


@app.cls()
class Stall:
    name: str = modal.parameter()
    size: int = modal.parameter(default=3)

    @modal.fastapi_endpoint()
    def show(self) -> list[object]:
        return [self.name, self.size]

    @modal.method()
    def tell(self) -> list[object]:
        return [self.name, self.size]


def test_the_query_says_it(modal_emulator: Running) -> None:
    with app.run(), httpx.Client(timeout=30) as client:
        url = Stall(name="x").show.get_web_url()
        asked = [
            client.get(url, params=params).json()
            for params in ({"name": "a b"}, {"name": "a b", "size": "-7"}, {"name": "", "x": "1"})
        ]
        assert asked == [["a b", 3], ["a b", -7], ["", 3]]
        before = len(modal_emulator.containers())
        assert Stall(name="a b").tell.remote() == ["a b", 3]
        assert len(modal_emulator.containers()) == before  # where the first request was answered
        wrong = client.get(url, params={"name": "a", "size": "much"})
        assert (wrong.status_code, wrong.text) == (
            400,
            "modal-http: parameter 'size' cannot be 'much'",
        )
        assert client.get(url).status_code == 500  # the class has no default for the name
