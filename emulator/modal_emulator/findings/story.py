"""
Reads the story of a run off its journal.

An entry stands where its effect was: the journal has a line of its own for that, and the step,
which says from which lines of user code it came, follows when it is over; the two become one
entry here. Which entries certainly followed from which in another lane is noted on the way.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modal_emulator.findings.entries import Beside, Entry, Lane, Report, Story, Version
from modal_emulator.findings.traffic import Place, Traffic
from modal_emulator.ground.journal import Event
from modal_emulator.ground.steps import Kind

__all__ = ["Beside", "Entry", "Lane", "Report", "Story", "Version", "story_of"]

VIA = {
    "api": Beside.UPLOAD.value,
    "kill": Beside.KEPT.value,
    "background": Kind.BACKGROUND_COMMIT.value,
    "reload": Kind.RELOAD.value,
    "exit": Kind.EXIT_COMMIT.value,
}
"""What kind of entry makes a version; all others are commits."""
ONE_STEP = {Kind.EXIT_COMMIT.value: Kind.COMMIT.value}
"""Kinds that the journal's two lines may call differently."""
WITHOUT_STEP = frozenset({"api", "kill", "sync"})


def story_of(events: Iterable[Event], names: Mapping[str, str]) -> Story:
    """Return the story that these events tell; `names` are those of objects, by their ids."""
    teller = _Teller(names)
    for event in events:
        hear = HEARING.get(event.kind)
        if hear is not None:
            hear(teller, event.at, event.values)
    return teller.story()


Values = Mapping[str, Any]


@dataclass(slots=True)
class _Teller:
    names: Mapping[str, str]
    lanes: dict[str, Lane] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    reported: list[Report] = field(default_factory=list)
    open: dict[tuple[str, ...], list[int]] = field(default_factory=lambda: defaultdict(list))
    """Entries whose step is still to come, by lane, kind and object."""
    last: dict[str, int] = field(default_factory=dict)
    """The newest entry of each lane."""
    traffic: Traffic = field(default_factory=Traffic)
    made: dict[str, str] = field(default_factory=dict)
    """Names of objects that may be gone since."""

    def story(self) -> Story:
        return Story(
            tuple(self.lanes.values()),
            tuple(self.entries),
            tuple(self.versions),
            tuple(self.reported),
        )

    def name(self, object_id: str) -> str:
        return self.names.get(object_id) or self.made.get(object_id) or object_id

    def add(self, at: float, lane: str, kind: str, **rest: Any) -> int:
        """Add an entry and return its number."""
        self.meet(at, lane, "")
        number = self.last[lane] = len(self.entries)
        rest["object"] = self.name(rest.get("object_id", ""))
        self.entries.append(Entry(number, at, lane, kind, **rest))
        return number

    def meet(self, at: float, lane: str, function: str) -> None:
        """Know a lane, from its first entry on."""
        known = self.lanes.get(lane)
        if known is None:
            self.lanes[lane] = Lane(lane, function, at)
        elif function and not known.function:
            self.lanes[lane] = replace(known, function=function)

    def change(self, number: int, **changes: Any) -> None:
        self.entries[number] = replace(self.entries[number], **changes)

    def follow(self, number: int, causes: Iterable[int]) -> None:
        """Note that an entry followed from others."""
        entry = self.entries[number]
        others = {n for n in causes if self.entries[n].lane != entry.lane and n != number}
        if others:
            self.change(number, after=tuple(sorted({*entry.after, *others})))

    # ---------------------------------------------------------------- steps

    def step(self, at: float, v: Values) -> None:
        kind, lane = str(v["step"]), str(v["container_id"])
        self.meet(at, lane, v["function"])
        told = {
            "call_id": v["call_id"],
            "object_id": v["object_id"],
            "path": v["path"],
            "to": v["to"],
            "version": v["version"],
            "keeps": bool(v.get("keeps")),
            "where": tuple(v["where"].split("\n")) if v["where"] else (),
            "error": v["error"],
        }
        key = _key(lane, kind, v["object_id"], v["path"])
        waiting = self.open.get(key)
        if waiting and not v["error"]:
            # The last: a call that came by HTTP is never followed by its step.
            number = waiting.pop()
            before = self.entries[number]
            told["version"] = before.version or told["version"]
            told["call_id"] = told["call_id"] or before.call_id
            told["object_id"] = told["object_id"] or before.object_id
            self.change(number, kind=kind, **told)
            return
        number = self.add(at, lane, kind, **told)
        self.follow(number, self.traffic.step(number, self.entries[number]))

    def ahead(self, at: float, lane: str, kind: str, path: str = "", **rest: Any) -> int:
        """Add an entry whose step will come, or return the one that waits for the same step."""
        key = _key(lane, kind, rest.get("object_id", ""), path)
        number = self.add(at, lane, kind, path=path, **rest)
        self.open[key].append(number)
        return number

    def batch(self, lane: str, kind: Kind) -> int | None:
        """Return the entry that this is one more of, if the lane did nothing since."""
        waiting = self.open.get(_key(lane, kind.value, "", ""))
        return waiting[-1] if waiting and waiting[-1] == self.last.get(lane) else None

    # ---------------------------------------------------------------- calls

    def queued(self, at: float, v: Values) -> None:
        lane, call_id = v["container_id"], v["call_id"]
        if lane is None:  # a schedule's
            return
        number = self.traffic.calls.get(call_id)
        if number is None:
            number = self.ahead(at, lane, Kind.CALL.value, object_id=v["function_id"])
        self.traffic.queued(call_id, v["input_id"], number)

    def taken(self, at: float, v: Values) -> None:
        lane = v["container_id"]
        number = self.batch(lane, Kind.INPUT)
        if number is None:
            number = self.ahead(at, lane, Kind.INPUT.value, call_id=v["call_id"])
        elif self.entries[number].call_id != v["call_id"]:
            self.change(number, call_id="")
        self.meet(at, lane, self.names.get(v["function_id"], ""))
        self.follow(number, self.traffic.taken(v["input_id"]))

    def finished(self, at: float, v: Values) -> None:
        lane = v["container_id"]
        if not lane:
            return
        number = self.batch(lane, Kind.OUTPUT)
        if number is None:
            number = self.ahead(at, lane, Kind.OUTPUT.value, call_id=v["call_id"])
        self.traffic.finished(v["call_id"], number)

    # ---------------------------------------------------------------- volumes

    def named(self, at: float, v: Values) -> None:
        self.made[v["volume_id"]] = v["name"]

    def mounted(self, at: float, v: Values) -> None:
        self.add(
            at,
            v["container_id"],
            Beside.MOUNT.value,
            object_id=v["volume_id"],
            version=v["version"],
        )

    def committed(self, at: float, v: Values) -> None:
        via, volume_id, lane = v["via"], v["volume_id"], v["container_id"]
        paths, removed = _paths(v["paths"]), _paths(v["removed"])
        add = self.add if via in WITHOUT_STEP else self.ahead
        number = add(
            at,
            lane,
            VIA.get(via, Kind.COMMIT.value),
            object_id=volume_id,
            call_id=v["call_id"],
            version=v["base"],
            made=v["version"],
            paths=paths + removed,
        )
        if lane:
            self.meet(at, lane, v["function"].removesuffix(".*"))
        self.versions.append(
            Version(
                volume_id=volume_id,
                volume=self.name(volume_id),
                number=v["version"],
                at=at,
                lane=lane,
                via=via,
                base=v["base"],
                paths=paths,
                removed=removed,
                added=_paths(v["added"]),
                entry=number,
            )
        )

    def reloaded(self, at: float, v: Values) -> None:
        lane, volume_id = v["container_id"], v["volume_id"]
        waiting = self.open.get(_key(lane, Kind.RELOAD.value, volume_id, ""))
        if waiting:
            self.change(waiting[-1], version=v["version"])
        else:
            self.ahead(at, lane, Kind.RELOAD.value, object_id=volume_id, version=v["version"])

    def lost(self, at: float, v: Values) -> None:
        self.add(
            at,
            v["container_id"],
            Beside.LOST.value,
            object_id=v["volume_id"],
            paths=_paths(v["paths"]) + _paths(v["removed"]),
        )

    # ---------------------------------------------------------------- the rest

    def put(self, at: float, v: Values) -> None:
        number, place = self._moved(at, v, Kind.QUEUE_PUT)
        self.traffic.put(place, number, v["count"])

    def got(self, at: float, v: Values) -> None:
        number, place = self._moved(at, v, Kind.QUEUE_GET)
        self.follow(number, self.traffic.got(place, v["count"]))

    def key_set(self, at: float, v: Values) -> None:
        number, place = self._moved(at, v, Kind.DICT_WRITE)
        causes = self.traffic.set(place, number, if_absent=v["if_absent"], done=v["done"])
        self.follow(number, causes)

    def key_popped(self, at: float, v: Values) -> None:
        number, place = self._moved(at, v, Kind.DICT_WRITE)
        self.follow(number, self.traffic.popped(place, number, done=v["done"]))

    def _moved(self, at: float, v: Values, kind: Kind) -> tuple[int, Place]:
        object_id, path = v["object_id"], v["path"]
        number = self.ahead(at, v["container_id"], kind.value, path=path, object_id=object_id)
        return number, (object_id, path)

    def exited(self, at: float, v: Values) -> None:
        lane = v["container_id"]
        how = _how(v)
        self.add(at, lane, Beside.EXIT.value, detail=how)
        self.lanes[lane] = replace(self.lanes[lane], ended=at, how=how)

    def found(self, at: float, v: Values) -> None:
        lane = v.get("container_id") or ""
        number = self.add(
            at, lane, Beside.FINDING.value, path=v.get("path") or "", detail=v["title"]
        )
        self.reported.append(
            Report(
                entry=number,
                subject=v["subject"],
                title=v["title"],
                text=v.get("text") or "",
                object=v.get("object") or "",
                path=v.get("path") or "",
                container_id=lane,
            )
        )


HEARING = {
    "step": _Teller.step,
    "input.queued": _Teller.queued,
    "input.taken": _Teller.taken,
    "input.finished": _Teller.finished,
    "volume.created": _Teller.named,
    "volume.mounted": _Teller.mounted,
    "volume.commit": _Teller.committed,
    "volume.reload": _Teller.reloaded,
    "volume.lost": _Teller.lost,
    "queue.put": _Teller.put,
    "queue.get": _Teller.got,
    "dict.put": _Teller.key_set,
    "dict.pop": _Teller.key_popped,
    "container.exit": _Teller.exited,
    "sandbox.exit": _Teller.exited,
    "finding": _Teller.found,
}
"""What the journal's kinds are to a story; others are none of its business."""


def _key(lane: str, kind: str, object_id: str, path: str) -> tuple[str, ...]:
    if kind in (Kind.INPUT, Kind.OUTPUT):
        return lane, kind
    return lane, ONE_STEP.get(kind, kind), object_id, path


def _paths(joined: str) -> tuple[str, ...]:
    return tuple(joined.split("\0")) if joined else ()


def _how(v: Values) -> str:
    if v["why"]:
        return str(v["why"]).lower()
    if v.get("signal"):
        return f"signal {v['signal']}"
    return f"exit code {v['code']}" if v["code"] else "in order"
