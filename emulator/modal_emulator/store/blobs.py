"""
Blobs: bytes that are announced first, sent beside the protocol, and fetched by id.

A blob is a promise of `Content`: its length and digests are fixed when it is created, and it can
be read once bytes that keep the promise have come.
"""

import base64
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.ground.ids import ID_LENGTH, Ids
from modal_emulator.store.content import Content, Receiver
from modal_emulator.store.ledger import Ledger

__all__ = ["Blobs"]

_KIND = "blob"


@dataclass(frozen=True, slots=True)
class _Promise:
    """What was announced of a blob, digests in hex; `kept` is the content, once it came."""

    length: int
    md5: str | None
    sha256: str | None
    kept: str | None = None


class Blobs:
    """The blobs of one World."""

    def __init__(self, ledger: Ledger, content: Content, ids: Ids) -> None:
        self._ledger = ledger
        self._content = content
        self._ids = ids

    def create(self, length: int, md5_b64: str, sha256_b64: str) -> str:
        """Announce a blob; returns its id. An empty digest is not checked."""
        blob_id = f"bl-{self._ids.secret(ID_LENGTH)}"
        if length < 0:
            raise Invalid(f"A blob cannot have {length} bytes")
        md5 = _hex(md5_b64, 16) if md5_b64 else None
        sha256 = _hex(sha256_b64, 32) if sha256_b64 else None
        self._save(blob_id, _Promise(length, md5, sha256))
        return blob_id

    def add(self, data: bytes) -> str:
        """Make a blob of bytes that are here already; returns its id."""
        blob_id = f"bl-{self._ids.secret(ID_LENGTH)}"
        sha256 = self._content.add(data)
        self._save(blob_id, _Promise(len(data), None, sha256, kept=sha256))
        return blob_id

    def receiver(self, blob_id: str) -> Receiver:
        """Begin the transfer of a blob's bytes."""
        promise = self._promise(blob_id)

        def keep(sha256: str, length: int) -> None:
            self._save(blob_id, _Promise(length, promise.md5, sha256, kept=sha256))

        return self._content.receive(promise.sha256, promise.md5 or "", promise.length, then=keep)

    def path(self, blob_id: str) -> Path:
        """Return the file with a blob's bytes; NotFound while they have not come."""
        kept = self._promise(blob_id).kept
        if kept is None:
            raise NotFound(f"The bytes of blob '{blob_id}' were never sent")
        return self._content.path(kept)

    def contents(self) -> set[str]:
        """Return the SHA-256 of all blobs whose bytes came."""
        promises = (_Promise(**json.loads(value)) for _, value in self._ledger.all(_KIND))
        return {promise.kept for promise in promises if promise.kept is not None}

    def _save(self, blob_id: str, promise: _Promise) -> None:
        self._ledger.put(_KIND, blob_id, json.dumps(asdict(promise)).encode())

    def _promise(self, blob_id: str) -> _Promise:
        value = self._ledger.get(_KIND, blob_id)
        if value is None:
            raise NotFound(f"No Blob with ID '{blob_id}' found")
        return _Promise(**json.loads(value))


def _hex(digest_b64: str, size: int) -> str:
    try:
        digest = base64.b64decode(digest_b64, validate=True)
    except ValueError:  # binascii.Error is one, and so is what letters beyond ASCII give
        digest = b""
    if len(digest) != size:
        raise Invalid(f"{digest_b64!r} is not a digest of {size} bytes in base64")
    return digest.hex()
