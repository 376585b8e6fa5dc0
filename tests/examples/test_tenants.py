"""Each tenant reaches its own files with its key, and by no path, name or key another's."""

import hashlib
from collections.abc import Callable
from types import ModuleType

import httpx
import pytest

from modal_emulator.emulator import Running

ADMIN = "a key for the tests alone"


@pytest.fixture
def client(
    modal_emulator: Running,
    example: Callable[[str], ModuleType],
    serve: Callable[[ModuleType], httpx.Client],
) -> httpx.Client:
    modal_emulator.secret("tenants", ADMIN_KEY=ADMIN)
    modal_emulator.clock.freeze("2024-03-11T09:00:00Z")
    return serve(example("tenants.app"))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def register(client: httpx.Client) -> Callable[[str], dict[str, str]]:
    """Register a tenant; return the headers that it sends from then on."""

    def make(name: str) -> dict[str, str]:
        answer = client.post("/tenants", json={"name": name}, headers=bearer(ADMIN))
        assert answer.status_code == 201
        return bearer(answer.json()["api_key"])

    return make


Register = Callable[[str], dict[str, str]]


def test_a_tenants_files(client: httpx.Client, register: Register) -> None:
    ann = register("Ann & Sons")
    for name, content in (("may.txt", b"two apples"), ("reports/2024/may.bin", bytes(range(256)))):
        assert client.put(f"/files/{name}", content=content, headers=ann).status_code == 204
        assert client.get(f"/files/{name}", headers=ann).content == content
    assert client.get("/files", headers=ann).json() == ["may.txt", "reports/2024/may.bin"]
    assert client.delete("/files/may.txt", headers=ann).status_code == 204
    assert client.get("/files/may.txt", headers=ann).status_code == 404
    assert client.delete("/files/may.txt", headers=ann).status_code == 404
    assert client.put("/files/reports", content=b"", headers=ann).status_code == 409


def test_a_second_key_of_a_tenant_opens_the_same(client: httpx.Client, register: Register) -> None:
    first, second = register("Ann"), register("Ann")
    assert first != second
    client.put("/files/a.txt", content=b"hers", headers=first)
    assert client.get("/files/a.txt", headers=second).content == b"hers"


def test_no_tenant_reaches_anothers_files(
    client: httpx.Client, register: Register, modal_emulator: Running
) -> None:
    ann, eve = register("Ann"), register("Eve")
    client.put("/files/secret.txt", content=b"hers alone", headers=ann)
    directory = hashlib.sha256(b"Ann").hexdigest()  # which Eve may well guess
    assert modal_emulator.volume("tenants").exists(f"tenants/{directory}/files/secret.txt")

    client.put("/files/mine.txt", content=b"", headers=eve)
    assert client.get("/files", headers=eve).json() == ["mine.txt"]
    for path in (
        "secret.txt",
        f"{directory}/files/secret.txt",
        f"../../{directory}/files/secret.txt",
        f"..%2f..%2f{directory}%2ffiles%2fsecret.txt",
        f"%2e%2e/%2e%2e/{directory}/files/secret.txt",
        f"x/../../../{directory}/files/secret.txt",
        f"%2fdata%2ftenants%2f{directory}%2ffiles%2fsecret.txt",
        f"..%5c..%5c{directory}%5cfiles%5csecret.txt",
        f"secret.txt%00/../../../{directory}/files/secret.txt",
    ):
        for method in ("GET", "PUT", "DELETE"):
            answer = raw(client, method, f"/files/{path}", eve)
            assert answer.status_code in (400, 404) or (method, path) in (
                ("PUT", "secret.txt"),  # Eve's own file of that name
                ("PUT", f"{directory}/files/secret.txt"),
            ), (method, path, answer.status_code)
            client.delete(f"/files/{path}", headers=eve) if answer.status_code == 204 else None
            assert b"hers alone" not in answer.content
    assert client.get("/files/secret.txt", headers=ann).content == b"hers alone"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        bearer("guessed"),
        bearer(ADMIN),
    ],
)
def test_without_a_tenants_key(client: httpx.Client, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/files"), ("GET", "/files/a"), ("PUT", "/files/a")):
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "no valid API key"})
        assert answer.headers["www-authenticate"] == "Bearer"


def test_only_the_administrator_registers(client: httpx.Client, register: Register) -> None:
    for headers in ({}, bearer("guessed"), register("Ann")):
        assert client.post("/tenants", json={"name": "x"}, headers=headers).status_code == 401
    assert client.post("/tenants", json={"name": ""}, headers=bearer(ADMIN)).status_code == 422


def test_no_key_is_kept(client: httpx.Client, register: Register, modal_emulator: Running) -> None:
    ann = register("Ann")
    key = ann["Authorization"].removeprefix("Bearer ")
    kept = modal_emulator.volume("tenants").tree()
    assert [path for path in kept if path.startswith("keys/")] == [
        f"keys/{hashlib.sha256(key.encode()).hexdigest()}"
    ]
    assert not any(secret in f"{kept}" for secret in (key, ADMIN, "Ann"))


def test_too_many_requests(
    client: httpx.Client, register: Register, modal_emulator: Running
) -> None:
    ann, bob = register("Ann"), register("Bob")
    assert {client.get("/files", headers=ann).status_code for _ in range(30)} == {200}
    refused = client.get("/files", headers=ann)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "61")
    assert client.get("/files", headers=bob).status_code == 200  # each tenant has its own measure
    modal_emulator.clock.advance(seconds=59)
    assert client.get("/files", headers=ann).status_code == 429
    modal_emulator.clock.advance(seconds=1)
    assert client.get("/files", headers=ann).status_code == 200


def test_too_large_a_file(client: httpx.Client, register: Register) -> None:
    ann = register("Ann")
    assert client.put("/files/a", content=bytes(1 << 20), headers=ann).status_code == 204
    assert client.put("/files/b", content=bytes((1 << 20) + 1), headers=ann).status_code == 413
    assert client.get("/files", headers=ann).json() == ["a"]


def raw(client: httpx.Client, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    """Ask for a path as it is written: a client would put `..` in order before it asks."""
    request = client.build_request(method, "/", headers=headers)
    request.url = request.url.copy_with(raw_path=path.encode())
    return client.send(request)
