"""Items over HTTP: created, read in pages, replaced, removed; each lies on the volume as a file."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import httpx
import pytest

from modal_emulator.emulator import Running

APPLE = {"name": "apple", "price": 0.5}


@pytest.fixture
def client(
    modal_emulator: Running,
    example: Callable[[str], ModuleType],
    serve: Callable[[ModuleType], httpx.Client],
) -> httpx.Client:
    return serve(example("rest_api.app"))


def test_from_creation_to_removal(client: httpx.Client) -> None:
    made = client.post("/items", json=APPLE)
    assert made.status_code == 201
    item = made.json()
    assert item == {"id": item["id"], **APPLE}
    url = made.headers["location"]
    assert client.get(url).json() == item

    plum = {"name": "Pflaume ☃", "price": 2}
    assert client.put(url, json=plum).json() == {"id": item["id"], **plum}
    assert client.get(url).json() == {"id": item["id"], **plum}

    assert client.delete(url).status_code == 204
    for answer in (client.get(url), client.delete(url), client.put(url, json=APPLE)):
        assert (answer.status_code, answer.json()) == (404, {"detail": f"no item {item['id']}"})


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"name": "", "price": 1}, "name"),
        ({"name": "apple", "price": -1}, "price"),
        ({"name": "apple", "price": "much"}, "price"),
        ({"name": "apple"}, "price"),
        ({**APPLE, "id": "mine"}, "id"),
    ],
)
def test_what_is_no_item_is_refused(
    client: httpx.Client, body: dict[str, object], what: str
) -> None:
    answer = client.post("/items", json=body)
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == [["body", what]]
    assert client.get("/items").json() == {"items": [], "after": None}


@pytest.mark.parametrize("item_id", ["1", "..%2f..%2fetc%2fpasswd", "%2e%2e", "0" * 25])
def test_what_is_no_id_finds_no_file(client: httpx.Client, item_id: str) -> None:
    assert client.get(f"/items/{item_id}").status_code in (404, 422)


def test_pages(client: httpx.Client) -> None:
    made = [client.post("/items", json={**APPLE, "price": n}).json() for n in range(7)]
    seen, after = [], None
    for length in (3, 3, 1):
        query = {"limit": 3} | ({"after": after} if after else {})
        page = client.get("/items", params=query).json()
        assert len(page["items"]) == length
        seen += page["items"]
        after = page["after"]
    assert after is None
    assert seen == sorted(made, key=lambda item: item["id"])
    assert client.get("/items", params={"limit": 7}).json()["after"] is None
    assert client.get("/items", params={"limit": 101}).status_code == 422


def test_many_at_once_lose_nothing(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [
            threads.submit(client.post, "/items", json={**APPLE, "price": number})
            for number in range(24)
        ]
    assert {answer.result().status_code for answer in made} == {201}
    items = client.get("/items", params={"limit": 100}).json()["items"]
    assert sorted(item["price"] for item in items) == list(range(24))


def test_page_for_browsers(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert 'id="form"' in page.text
