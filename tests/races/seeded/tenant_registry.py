"""
Tenants in directories, and a file of one that was removed.

An upload that looked before the removal and commits after it leaves a file of a tenant that is
gone: what one container removed and what the other one added both stay, as far as is known (Modal
does not say what a removal does to a file that came meanwhile). Right: one owner, a class with
`max_containers=1`, does both, one after the other.
"""

import shutil
from pathlib import Path
from typing import Any

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Twin, at_once

volume = modal.Volume.from_name("tenants", create_if_missing=True)
TENANTS = Path("/tenants")
broken = modal.App("tenants-broken")
fixed = modal.App("tenants-fixed")


def put(tenant: str, name: str) -> bool:
    volume.reload()
    if not (TENANTS / tenant).exists():
        return False
    (TENANTS / tenant / name).write_text("secret")
    volume.commit()
    return True


def forget(tenant: str) -> None:
    volume.reload()
    shutil.rmtree(TENANTS / tenant)
    volume.commit()


@broken.function(volumes={str(TENANTS): volume})
def upload(tenant: str, name: str) -> bool:
    return put(tenant, name)


@broken.function(volumes={str(TENANTS): volume})
def remove(tenant: str) -> None:
    forget(tenant)


@fixed.cls(volumes={str(TENANTS): volume}, max_containers=1)
class Registry:
    @modal.method()
    def upload(self, tenant: str, name: str) -> bool:
        return put(tenant, name)

    @modal.method()
    def remove(self, tenant: str) -> None:
        forget(tenant)


def one_tenant(running: Running) -> None:
    running.volume("tenants").write("acme/name", "Acme")


def removed_meanwhile(uploading: Any, removing: Any) -> None:
    at_once([uploading, "acme", "plans.txt"], [removing, "acme"])


def through_registry(_: Running) -> None:
    registry = Registry()
    removed_meanwhile(registry.upload, registry.remove)


def nothing_left(running: Running) -> None:
    assert running.volume("tenants").paths() == []


BUG = Bug(
    Twin(broken, lambda _: removed_meanwhile(upload, remove)),
    Twin(fixed, through_registry),
    invariant=nothing_left,
    setup=one_tenant,
)
