"""Notes come back as they were sent, and whoever has the volume has none of their words."""

import io
from collections.abc import Callable
from types import ModuleType

import httpx
import pytest
from cryptography.fernet import Fernet

from modal_emulator.emulator import Running

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
NOTE = {"title": "Shopping ☃", "text": "two apples, and a pear for Zoë\n" * 40}


@pytest.fixture
def notes(modal_emulator: Running, example: Callable[[str], ModuleType]) -> ModuleType:
    modal_emulator.secret("notes", NOTES_KEYS=OLD)
    return example("encrypted_notes.app")


@pytest.fixture
def client(notes: ModuleType, serve: Callable[[ModuleType], httpx.Client]) -> httpx.Client:
    return serve(notes)


def change_keys(modal_emulator: Running, notes: ModuleType, keys: str) -> None:
    """Change the secret and deploy, as the example says: only new containers get the change."""
    modal_emulator.secret("notes").update(NOTES_KEYS=keys)
    for container in modal_emulator.containers():
        container.stop()
    modal_emulator.settle()


def test_written_and_read(client: httpx.Client) -> None:
    made = client.post("/notes", json=NOTE)
    assert made.status_code == 201
    note = made.json()
    assert note == {"id": note["id"], **NOTE}
    assert client.get(f"/notes/{note['id']}").json() == note
    assert client.get("/notes").json() == {note["id"]: NOTE["title"]}
    assert client.get(f"/notes/{'0' * 16}").status_code == 404
    assert client.post("/notes", json={"title": "", "text": ""}).status_code == 422


def test_no_plain_text_is_anywhere_in_the_volume(
    modal_emulator: Running, client: httpx.Client
) -> None:
    """Neither in what is there now nor in any version that ever was."""
    note_id = client.post("/notes", json=NOTE).json()["id"]
    client.get(f"/notes/{note_id}")
    volume = modal_emulator.volume("encrypted-notes")
    assert f"notes/{note_id}" in volume.tree()
    for number in range(1, volume.head.number + 1):
        archive = io.BytesIO()
        volume.export(archive, number)
        for word in ("Shopping", "two apples", "Zoë", OLD):
            assert word.encode() not in archive.getvalue()
    assert volume.read(f"notes/{note_id}") in archive.getvalue()


def test_keys_are_changed_step_by_step(
    modal_emulator: Running, client: httpx.Client, notes: ModuleType
) -> None:
    volume = modal_emulator.volume("encrypted-notes")
    made = [client.post("/notes", json={**NOTE, "title": f"{n}"}).json() for n in range(3)]
    before = volume.tree()

    change_keys(modal_emulator, notes, f"{NEW},{OLD}")
    assert [client.get(f"/notes/{note['id']}").json() for note in made] == made
    assert notes.rotate.remote() == 3
    after = volume.tree()
    assert before.keys() == after.keys()
    assert all(before[path] != after[path] for path in before)

    change_keys(modal_emulator, notes, NEW)
    assert [client.get(f"/notes/{note['id']}").json() for note in made] == made

    change_keys(modal_emulator, notes, OLD)
    refused = client.get(f"/notes/{made[0]['id']}")
    assert refused.status_code == 503


def test_a_wrong_key_is_told_and_harms_nothing(
    modal_emulator: Running, client: httpx.Client, notes: ModuleType
) -> None:
    note = client.post("/notes", json=NOTE).json()
    before = modal_emulator.volume("encrypted-notes").tree()
    change_keys(modal_emulator, notes, OTHER)
    detail = f"note {note['id']} cannot be opened with a key of NOTES_KEYS"
    for answer in (client.get(f"/notes/{note['id']}"), client.get("/notes")):
        assert (answer.status_code, answer.json()) == (503, {"detail": detail})
    with pytest.raises(Exception, match=detail):
        notes.rotate.remote()
    assert modal_emulator.volume("encrypted-notes").tree() == before

    change_keys(modal_emulator, notes, "no key at all")
    answer = client.post("/notes", json=NOTE)
    assert answer.status_code == 503
    assert answer.json() == {
        "detail": "NOTES_KEYS is not a list of Fernet keys, with commas between"
    }
