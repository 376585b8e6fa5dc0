"""
Keep notes on a volume in a form that nobody can read who has the volume alone.

    python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'
    modal secret create notes NOTES_KEYS=<that key>
    modal deploy app.py
    curl $URL/notes --json '{"title": "Shopping", "text": "two apples"}'

The key is in a secret and never on the volume. To change it, put the new one before the old one,
let all notes be written anew, and drop the old one:

    modal secret create --force notes NOTES_KEYS=<new>,<old>
    modal deploy app.py     # running containers keep the secret with which they began
    modal run app.py::rotate
    modal secret create --force notes NOTES_KEYS=<new>
    modal deploy app.py

The title is encrypted, too, and a note's file has a random name: what lies there says how many
notes there are, when they were written and about how long they are, and nothing else.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import modal
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from fastapi import FastAPI, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

image = modal.Image.debian_slim().pip_install("fastapi", "cryptography")
app = modal.App("encrypted-notes", image=image)
volume = modal.Volume.from_name("encrypted-notes", create_if_missing=True)
keys = modal.Secret.from_name("notes", required_keys=["NOTES_KEYS"])

NOTES = Path("/data/notes")


class WrongKey(Exception):
    """No key of NOTES_KEYS opens what is on the volume."""


class NewNote(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    text: str = Field(max_length=100_000)


class Note(NewNote):
    id: str


NoteId = Annotated[str, InPath(pattern="^[0-9a-f]{16}$")]

turn = threading.Lock()


@contextmanager
def fresh() -> Iterator[None]:
    """Have the volume to oneself, as it is now: requests of one container must not overlap here."""
    with turn:
        volume.reload()
        yield


def cipher() -> MultiFernet:
    """Make the cipher of all keys: the first one encrypts, each of them may decrypt."""
    try:
        return MultiFernet([Fernet(key.strip()) for key in os.environ["NOTES_KEYS"].split(",")])
    except ValueError:
        # `from None`, and no key in the text: this ends up in a log.
        raise WrongKey("NOTES_KEYS is not a list of Fernet keys, with commas between") from None


def opened(path: Path) -> Note:
    try:
        note = NewNote.model_validate_json(cipher().decrypt(path.read_bytes()))
    except InvalidToken:
        raise WrongKey(f"note {path.name} cannot be opened with a key of NOTES_KEYS") from None
    return Note(id=path.name, **note.model_dump())


def save(path: Path, token: bytes) -> None:
    """Write the whole file or none of it. No plain text is ever written, not even in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    half.write_bytes(token)
    half.replace(path)


def stored() -> list[Path]:
    return [path for path in sorted(NOTES.glob("*")) if not path.suffix]


api = FastAPI(title="Notes")


@api.exception_handler(WrongKey)
def wrong_key(request: Request, error: WrongKey) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 503)


@api.post("/notes", status_code=201)
def create(new: NewNote) -> Note:
    note_id = secrets.token_hex(8)
    token = cipher().encrypt(new.model_dump_json().encode())
    with fresh():
        save(NOTES / note_id, token)
        volume.commit()
    return Note(id=note_id, **new.model_dump())


@api.get("/notes")
def titles() -> dict[str, str]:
    with fresh():
        return {path.name: opened(path).title for path in stored()}


@api.get("/notes/{note_id}")
def read(note_id: NoteId) -> Note:
    with fresh():
        if not (NOTES / note_id).exists():
            raise HTTPException(404, f"no note {note_id}")
        return opened(NOTES / note_id)


@app.function(volumes={"/data": volume}, secrets=[keys])
@modal.concurrent(max_inputs=20)
@modal.asgi_app()
def web() -> FastAPI:
    return api


@app.function(volumes={"/data": volume}, secrets=[keys])
def rotate() -> int:
    """Encrypt every note anew with the first key; return how many there were."""
    volume.reload()
    notes = stored()
    for path in notes:
        try:
            save(path, cipher().rotate(path.read_bytes()))
        except InvalidToken:
            raise WrongKey(f"note {path.name} cannot be opened with a key of NOTES_KEYS") from None
    volume.commit()
    return len(notes)
