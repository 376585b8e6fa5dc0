"""
What Modal has no RPC for: a small service beside Modal's own, on the same port.

`modal-emulator volume` uses it to look into old versions; what `clock` and `cron` use is in
`timing`, what `region` uses in `regions`, `proxy` in `proxying`, `faults` in `faulting`, `findings`
in `found`. Requests and replies are JSON in a StringValue; archives go over the HTTP site, by URLs
that are handed out here. That a server answers `Hello` is how the command knows that it speaks to
an emulator and not to Modal.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from modal_emulator import __version__
from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.rpc import faulting, found, proxying, regions, timing, webs
from modal_emulator.store.editions import Difference, compare
from modal_emulator.store.grants import BringArchive, FetchVersion
from modal_emulator.store.history import History, Record
from modal_emulator.store.layer import telling
from modal_emulator.store.names import Creation
from modal_emulator.store.paths import show
from modal_emulator.store.tree import Entry
from modal_emulator.store.volumes import Volume
from modal_emulator.world import World

__all__ = ["METHODS", "answer"]

Asked = Mapping[str, Any]  # what JSON can hold
Row = dict[str, Any]


async def answer(world: World, method: str, request: str) -> str:
    """Answer one request; all are quick but those that let time pass."""
    try:
        asked = json.loads(request)
    except ValueError as error:
        raise Invalid(f"{method}: the request cannot be read: {error}") from error
    if not isinstance(asked, dict):
        raise Invalid(f"{method}: the request is no object")
    answered = METHODS[method](world, asked)
    # Names in volumes may hold anything.
    return world.leaks.mask(
        json.dumps(await answered if isinstance(answered, Awaitable) else answered)
    )


def hello(_world: World, _asked: Asked) -> Row:
    """Say who this is."""
    return {"emulator": __version__}


def volume_log(world: World, asked: Asked) -> Row:
    """List the newest versions, the newest first."""
    volume = _volume(world, asked)
    history = world.volumes.history(volume.volume_id)
    limit = asked.get("limit") or len(history.versions)
    records = reversed(history.versions[-limit:])
    return {"versions": [_record(world, volume, history, record) for record in records]}


def volume_show(world: World, asked: Asked) -> Row:
    """Describe one version: who made it, when, and what it changed."""
    volume = _volume(world, asked)
    history = world.volumes.history(volume.volume_id)
    number = asked.get("version")
    if number is None:
        number = history.head.number
    if number not in history.records:
        newest = history.head.number
        raise NotFound(f"Volume '{volume.name}' has no version {number}; the newest is {newest}")
    changes = telling(world.volumes.changed(volume.volume_id, number))
    record = _record(world, volume, history, history.records[number])
    return {**record, "changes": [_change(change.parts, change.entry) for change in changes]}


def volume_diff(world: World, asked: Asked) -> Row:
    """List what is different in another version, by default the newest."""
    volume = _volume(world, asked)
    old = world.volumes.edition(volume.volume_id, asked.get("a"))
    try:
        new = world.volumes.edition(volume.volume_id, asked.get("b"))
        new.close()  # the trees alone are looked at
    finally:
        old.close()
    return {
        "a": old.number,
        "b": new.number,
        "differences": [_difference(difference) for difference in compare(old.tree, new.tree)],
    }


def volume_export(world: World, asked: Asked) -> Row:
    """Give a URL for a version as a tar archive."""
    volume = _volume(world, asked)
    edition = world.volumes.edition(volume.volume_id, asked.get("version"))
    edition.close()  # it was found; the URL opens it again
    token = world.grants.give(FetchVersion(volume.volume_id, edition.number))
    return {"version": edition.number, "url": f"{world.site_url}/archives/{token}"}


def volume_import(world: World, asked: Asked) -> Row:
    """Give a URL for a tar archive that is to be added."""
    volume = _volume(world, asked, create=asked.get("create", False))
    token = world.grants.give(BringArchive(volume.volume_id))
    return {"url": f"{world.site_url}/archives/{token}"}


def _volume(world: World, asked: Asked, *, create: bool = False) -> Volume:
    return world.volumes.get_or_create(
        name=asked.get("name", ""),
        environment=asked.get("environment", ""),
        creation=Creation.CREATE_IF_MISSING if create else Creation.LOOKUP,
    )


def _record(world: World, volume: Volume, history: History, record: Record) -> Row:
    changes = telling(world.volumes.changed(volume.volume_id, record.number))
    return {
        "version": record.number,
        "at": record.at,
        "base": record.base,
        "via": record.by.via,
        "function": record.by.function,
        "call": record.by.call,
        "container": record.by.container_id,
        "paths": len(changes),
        "kept": record.number in history.openable,
    }


def _change(parts: tuple[str, ...], entry: Entry | None) -> Row:
    if entry is None:
        return {"path": show(parts), "type": None}
    return {"path": show(parts) or ".", "type": entry.kind.value, "size": entry.size}


def _difference(difference: Difference) -> Row:
    return {
        "path": show(difference.parts) or ".",
        "kind": difference.kind,
        **dict(_sides(difference)),
    }


def _sides(difference: Difference) -> Iterator[tuple[str, Row | None]]:
    for name, entry in (("before", difference.before), ("after", difference.after)):
        described = None
        if entry is not None:
            described = {
                "type": entry.kind.value,
                "size": entry.size,
                "mode": entry.mode,
                "mtime_ns": entry.mtime_ns,
                "target": entry.target,
            }
        yield name, described


METHODS: dict[str, Callable[[World, Asked], Row | Awaitable[Row]]] = {
    "Hello": hello,
    "VolumeLog": volume_log,
    "VolumeShow": volume_show,
    "VolumeDiff": volume_diff,
    "VolumeExport": volume_export,
    "VolumeImport": volume_import,
    **timing.METHODS,
    **webs.METHODS,
    **regions.METHODS,
    **proxying.METHODS,
    **faulting.METHODS,
    **found.METHODS,
}
