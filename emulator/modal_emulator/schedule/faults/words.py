"""
How plans are written down: the same words for tests, files, command lines and requests.

`WHATS` is all that can happen and `OPTIONS` all that can be said of it; the reference page is made
of the two. What is wrong is told with the nearest thing that would be right.
"""

import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from modal_emulator.ground.errors import Code, Invalid
from modal_emulator.ground.steps import Kind, Moment
from modal_emulator.schedule.faults.plans import (
    Corrupt,
    Delay,
    DiskFull,
    Drop,
    Effect,
    Fail,
    Kill,
    Plan,
    Preempt,
    RegionDown,
    Site,
    Skew,
    Truncate,
    Unavailable,
    Where,
)
from modal_emulator.schedule.faults.reading import (
    chance,
    choice,
    count,
    nearest,
    number,
    seconds,
    some,
    text,
    truth,
)
from modal_emulator.schedule.faults.texts import NOT_PUBLISHED, RATE_LIMITED, words_of
from modal_emulator.store.regions import REGIONS

__all__ = ["ANYWHERE", "HOW_OFTEN", "OPTIONS", "WHATS", "What", "line_of", "plan_of"]

Said = Mapping[str, Any]
AREAS = tuple(dict.fromkeys(name for region in REGIONS for name in (*region.within, region.name)))
STATUSES = tuple(code.name for code in Code if code is not Code.TOO_LARGE)
OBJECTS = ("volume", "dict", "queue", "secret", "called")
HOW_OFTEN = ("times", "after", "every", "probability", "seed")
WHO = ("function", "container", "by")
ANYWHERE = ("rpc", "at", "when", *OBJECTS, "path", *WHO)


@dataclass(frozen=True, slots=True)
class Option:
    """Something that can be said of a fault."""

    read: Callable[[str, Any], Any]
    """From its name and what was written; raises Invalid."""
    about: str


OPTIONS: Mapping[str, Option] = {
    "rpc": Option(text, "the call of the SDK that it strikes: Modal's name for it, or a pattern"),
    "at": Option(
        choice(tuple(kind.value for kind in Kind)), "the kind of step that it strikes, instead"
    ),
    "when": Option(
        choice(tuple(moment.value for moment in Moment)),
        "`before` it is done, the default, or `after` it is done and before that is told",
    ),
    "volume": Option(text, "only where it is about this Volume: a name, a pattern or an id"),
    "dict": Option(text, "the same of a Dict"),
    "queue": Option(text, "the same of a Queue"),
    "secret": Option(text, "the same of a Secret"),
    "called": Option(text, "only where this function is called, or asked for its results"),
    "path": Option(text, "only where it is about a path in the Volume that fits this pattern"),
    "function": Option(text, "only where a container of this function does it"),
    "container": Option(text, "only where the container with this id does it"),
    "by": Option(
        choice(("client", "container")), "only clients outside of containers, or only containers"
    ),
    "times": Option(some, "how often; 1, or without end where `every` or `probability` is said"),
    "after": Option(count, "so many occasions pass first"),
    "every": Option(some, "it strikes each so many-th occasion"),
    "probability": Option(chance, "it is drawn for each occasion whether it strikes"),
    "seed": Option(count, "where the draws come from; without it, it is drawn and told"),
    "status": Option(choice(STATUSES), "the gRPC status"),
    "message": Option(text, "the words; without them Modal's, where they are known"),
    "retry_after": Option(seconds, "the SDK is told to try again after so many seconds"),
    "seconds": Option(number, "of the emulator's clock"),
    "way": Option(choice(("download", "upload")), "which way the body goes"),
    "body": Option(choice(("block", "blob")), "only blocks of files, or only blobs"),
    "keep": Option(count, "so many bytes of a download arrive; without it, half of them"),
    "oom": Option(truth, "the container runs out of memory"),
    "region": Option(choice(AREAS), "its name, or that of a broad one"),
}


@dataclass(frozen=True, slots=True)
class What:
    """Something that can happen."""

    about: str
    effect: Callable[[Said], Effect]
    takes: tuple[str, ...]
    """The options, besides those that say how often; the first may go without its name."""
    needs: tuple[str, ...] = ()
    site: Site | None = None
    """Where it strikes; None where the options say it."""
    name: str = ""
    """What it strikes there, where the options say nothing."""
    is_endless: bool = False
    """It happens until it is taken back, where the options say nothing."""


def _fail(said: Said) -> Effect:
    code = Code[said["status"]]
    message = said.get("message") or words_of(said.get("rpc", ""), code)
    return Fail(code, message, said.get("retry_after"))


WHATS: Mapping[str, What] = {
    "error": What(
        "fails with a gRPC status",
        _fail,
        (*ANYWHERE, "status", "message", "retry_after"),
        ("status",),
    ),
    "delay": What(
        "takes longer, by the emulator's clock",
        lambda said: Delay(seconds("seconds", said["seconds"])),
        (*ANYWHERE, "seconds"),
        ("seconds",),
    ),
    "drop": What("the connection breaks, so that no answer comes", lambda _: Drop(), ANYWHERE),
    "truncate": What(
        "the end of a body is lost on the way",
        lambda said: Truncate(said.get("keep")),
        ("way", "body", "volume", "keep"),
        ("way",),
        site=Site.DOWNLOAD,
    ),
    "disk_full": What(
        "there is no space left: nothing is opened for writing, or with `at=` nothing committed",
        lambda _: DiskFull(),
        ("volume", "path", *WHO, "at"),
        site=Site.STEP,
        name="write|make",
        is_endless=True,
    ),
    "kill": What(
        "the container that does it is killed",
        lambda said: Kill(said.get("oom", False)),
        (*ANYWHERE, "oom"),
    ),
    "preempt": What("the container that does it is preempted", lambda _: Preempt(), ANYWHERE),
    "region_down": What(
        "a region goes down",
        lambda said: RegionDown(said["region"]),
        ("region", *ANYWHERE),
        ("region",),
    ),
    "skew": What(
        "the clocks of containers that start are so many seconds ahead, or behind",
        lambda said: Skew(said["seconds"]),
        ("seconds", "function"),
        ("seconds",),
        site=Site.CLOCK,
        is_endless=True,
    ),
    "listing_rate_limited": What(
        "the files of a Volume are not listed",
        lambda _: Fail(Code.RESOURCE_EXHAUSTED, RATE_LIMITED),
        ("volume",),
        site=Site.LISTING,
    ),
    "commit_fails": What(
        "a container's commit that has something to say fails",
        lambda _: Fail(Code.DATA_LOSS, NOT_PUBLISHED),
        ("volume", "path", "function", "container"),
        site=Site.PUBLISHING,
    ),
    "block_unavailable": What(
        "the download of a block is answered with HTTP 503",
        lambda _: Unavailable(),
        ("volume",),
        site=Site.DOWNLOAD,
        name="block",
    ),
    "block_corrupt": What(
        "a block is downloaded with bits flipped",
        lambda _: Corrupt(),
        ("volume",),
        site=Site.DOWNLOAD,
        name="block",
    ),
}


def plan_of(
    what: str, said: Said, rpcs: Collection[str], seed: Callable[[], int] = lambda: 0
) -> Plan:
    """
    Return the plan that these words say; `rpcs` are those that are answered.

    Raises:
        Invalid: they make no sense.
    """
    if what not in WHATS:
        raise Invalid(f"there is no fault {what!r}; {nearest(what, WHATS)}")
    kind = WHATS[what]
    read = {
        name: _option(what, kind, name).read(name, value)
        for name, value in said.items()
        if value is not None
    }
    for name in kind.needs:
        if name not in read:
            raise Invalid(f"{what} needs {name}: {OPTIONS[name].about}")
    is_endless = kind.is_endless or "every" in read or "probability" in read
    probability = read.get("probability", 1.0)
    return Plan(
        effect=kind.effect(read),
        where=_where(what, kind, read, rpcs),
        times=read.get("times", None if is_endless else 1),
        after=read.get("after", 0),
        every=read.get("every", 1),
        probability=probability,
        seed=read["seed"] if "seed" in read else seed() if probability < 1 else 0,
        text=_text(what, kind, read),
    )


def line_of(line: str) -> tuple[str, dict[str, str]]:
    """
    Return what happens and what is said of it, from a line such as `error VolumeCommit times=2`.

    Raises:
        Invalid: it cannot be read.
    """
    try:
        what, *words = shlex.split(line)
    except ValueError as error:
        raise Invalid(f"a fault cannot be read from {line!r}: {error}") from None
    said: dict[str, str] = {}
    for word in words:
        name, is_named, value = word.partition("=")
        if not is_named:
            kind = WHATS.get(what)
            name, value = (kind.takes[0] if kind is not None else ""), word
        if name in said:
            raise Invalid(f"{line!r} says {name} twice")
        said[name] = value
    return what, said


def _option(what: str, kind: What, name: str) -> Option:
    takes = (*kind.takes, *HOW_OFTEN)
    if name not in takes:
        raise Invalid(f"{what} takes no {name!r}; {nearest(name, takes)}")
    return OPTIONS[name]


def _where(what: str, kind: What, read: Said, rpcs: Collection[str]) -> Where:
    rpc, step = read.get("rpc", ""), read.get("at", "")
    if kind.site is None and bool(rpc) == bool(step):
        raise Invalid(f"{what} needs either the name of an RPC, or a step as at=")
    if rpc and not any(Where(Site.RPC, rpc).fits(name) for name in rpcs):
        raise Invalid(f"no RPC is called {rpc!r}; {nearest(rpc, rpcs)}")
    return Where(
        site=_site(kind, read),
        name=rpc or step or read.get("body", kind.name),
        moment=Moment(read.get("when", "before")),
        objects=tuple((word, read[word]) for word in OBJECTS if word in read),
        path=read.get("path", ""),
        function=read.get("function", ""),
        container=read.get("container", ""),
        by=read.get("by", ""),
    )


def _site(kind: What, read: Said) -> Site:
    if "way" in read:
        return Site(read["way"])
    return kind.site or (Site.RPC if "rpc" in read else Site.STEP)


def _text(what: str, kind: What, read: Said) -> str:
    said = [
        repr(value) if name == kind.takes[0] else f"{name}={value!r}"
        for name, value in sorted(read.items(), key=lambda item: _order(kind, item[0]))
        if name not in HOW_OFTEN
    ]
    return f"{what}({', '.join(said)})"


def _order(kind: What, name: str) -> int:
    return kind.takes.index(name) if name in kind.takes else len(kind.takes)
