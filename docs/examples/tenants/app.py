"""
Keep the files of many tenants on one volume, so that none can reach another's.

    modal secret create tenants ADMIN_KEY=...
    modal deploy app.py
    curl $URL/tenants -H "Authorization: Bearer $ADMIN_KEY" --json '{"name": "Ann & Sons"}'
    curl -X PUT $URL/files/reports/may.txt -H "Authorization: Bearer $API_KEY" -d 'two apples'

- A tenant's directory is named by a hash of its name: whatever is in a name, it is no path.
- The API key says who asks; no request names a tenant. Of a key only the hash is kept, as the name
  of a file, so who reads the volume finds no key, and looking one up compares nothing.
- A path that leaves the tenant's directory is refused, however it is written.
- A tenant may ask so many times a minute. Each container counts for itself, so there is one.
"""

import hashlib
import hmac
import os
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import modal
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

image = modal.Image.debian_slim().pip_install("fastapi")
app = modal.App("tenants", image=image)
volume = modal.Volume.from_name("tenants", create_if_missing=True)
admin = modal.Secret.from_name("tenants", required_keys=["ADMIN_KEY"])

KEYS = Path("/data/keys")  # <hash of an API key>: the hash of a tenant
TENANTS = Path("/data/tenants")  # <hash of a tenant>/files/...
LARGEST = 1 << 20
PER_MINUTE = 30

turn = threading.Lock()


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def fresh() -> Iterator[None]:
    """Have the volume to oneself, as it is now: requests of one container must not overlap here."""
    with turn:
        volume.reload()
        yield


def save(path: Path, content: bytes) -> None:
    """Write the whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = TENANTS.parent / f".half-{secrets.token_hex(8)}"
    half.write_bytes(content)
    half.replace(path)


def bearer(authorization: Annotated[str, Header()] = "") -> str:
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise unknown()
    return key


def unknown() -> HTTPException:
    """Say the same to whoever has no key and to whoever has a wrong one."""
    return HTTPException(401, "no valid API key", {"WWW-Authenticate": "Bearer"})


def tenant_of(key: Annotated[str, Depends(bearer)], request: Request) -> str:
    """Find out who asks, and whether not too often."""
    path = KEYS / hashed(key)
    with fresh():
        if not path.is_file():
            raise unknown()
        tenant = path.read_text()
        now, times = time.time(), request.app.state.asked[tenant]
        while times and times[0] <= now - 60:
            times.popleft()
        if len(times) >= PER_MINUTE:
            wait = int(times[0] + 60 - now) + 1
            raise HTTPException(429, "too many requests", {"Retry-After": str(wait)})
        times.append(now)
    return tenant


Tenant = Annotated[str, Depends(tenant_of)]


def inside(tenant: str, name: str) -> Path:
    """Return where a tenant's file lies, or refuse a name that would lead elsewhere."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts):
        raise HTTPException(400, "a path is made of names, with one / between them")
    if len(name) > 200:
        raise HTTPException(400, "this path is too long")
    return TENANTS.joinpath(tenant, "files", *parts)


class NewTenant(BaseModel):
    name: str = Field(min_length=1, max_length=200)


class Issued(BaseModel):
    api_key: str


api = FastAPI(title="Tenants")


@api.post("/tenants", status_code=201)
def register(new: NewTenant, key: Annotated[str, Depends(bearer)]) -> Issued:
    """Give a tenant a key. It is shown this once: what is kept is its hash."""
    if not hmac.compare_digest(key.encode(), os.environ["ADMIN_KEY"].encode()):
        raise unknown()
    api_key = secrets.token_urlsafe(32)
    with fresh():
        save(KEYS / hashed(api_key), hashed(new.name).encode())
        volume.commit()
    return Issued(api_key=api_key)


@api.get("/files")
def list_files(tenant: Tenant) -> list[str]:
    top = TENANTS / tenant / "files"
    with fresh():
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


@api.get("/files/{name:path}")
def download(name: str, tenant: Tenant) -> Response:
    path = inside(tenant, name)
    with fresh():
        if not path.is_file():
            raise HTTPException(404, "no such file")
        return Response(path.read_bytes(), media_type="application/octet-stream")


@api.put("/files/{name:path}", status_code=204)
async def upload(name: str, tenant: Tenant, request: Request) -> None:
    path = inside(tenant, name)
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST:
            raise HTTPException(413, f"a file may have {LARGEST} bytes")
    await run_in_threadpool(keep, path, bytes(content))


def keep(path: Path, content: bytes) -> None:
    with fresh():
        try:
            save(path, content)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            raise HTTPException(409, "a file cannot be a directory, too") from None
        volume.commit()


@api.delete("/files/{name:path}", status_code=204)
def delete(name: str, tenant: Tenant) -> None:
    path = inside(tenant, name)
    with fresh():
        if not path.is_file():
            raise HTTPException(404, "no such file")
        path.unlink()
        volume.commit()


@app.function(volumes={"/data": volume}, secrets=[admin], max_containers=1)
@modal.concurrent(max_inputs=20)
@modal.asgi_app()
def web() -> FastAPI:
    api.state.asked = defaultdict(deque)  # when each tenant asked, since this container began
    return api
