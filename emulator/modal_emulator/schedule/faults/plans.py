"""
Plans of faults, as values: where one strikes, what it does, and how often.

An `Occasion` is something that is about to be done, or was just done, and that a fault may strike.
Which plans there are and whose turn it is, is decided in `standing`; how users write them down is
known to `words`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from types import MappingProxyType

from modal_emulator.ground.errors import Code
from modal_emulator.ground.steps import Moment

__all__ = [
    "CLIENT",
    "CONTAINER",
    "Corrupt",
    "Delay",
    "DiskFull",
    "Drop",
    "Effect",
    "Fail",
    "Kill",
    "Occasion",
    "Plan",
    "Preempt",
    "RegionDown",
    "Site",
    "Skew",
    "Truncate",
    "Unavailable",
    "Where",
]

CLIENT, CONTAINER = "client", "container"
NOTHING: Mapping[str, str] = MappingProxyType({})


class Site(Enum):
    """The kinds of occasions."""

    RPC = "rpc"
    """A call of the SDK, by Modal's name for it."""
    STEP = "step"
    """A step, by its kind; see `ground/steps`."""
    LISTING = "listing"
    """The files of a volume are listed."""
    PUBLISHING = "publishing"
    """A container's commit has something to say."""
    DOWNLOAD = "download"
    """A block of a file, or a blob, is fetched over HTTP."""
    UPLOAD = "upload"
    """One is brought."""
    CLOCK = "clock"
    """A container starts, and is shown a clock."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something that a fault may strike."""

    site: Site
    name: str = ""
    """Of the RPC or the kind of step; of what is fetched or brought, "block" or "blob"."""
    moment: Moment = Moment.BEFORE
    container_id: str = ""
    """Whose doing it is; empty for a client outside of containers."""
    function: str = ""
    """Of that container."""
    objects: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """By words such as "volume", "dict" and "called": the id, or the name where that was sent."""
    paths: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """Whose doing it is, by a name that is the same each time."""
        return self.function or (CONTAINER if self.container_id else CLIENT)


@dataclass(frozen=True, slots=True)
class Where:
    """Which occasions a fault strikes; what is empty is left open."""

    site: Site
    name: str = ""
    """
    Of the RPC or the kind of step; a pattern as of a shell, as are all the other names. Here there
    may be several, with "|" between them.
    """
    moment: Moment = Moment.BEFORE
    objects: tuple[tuple[str, str], ...] = ()
    """Such as ("volume", "data"): a word and a name or an id."""
    path: str = ""
    function: str = ""
    """Whose containers do it."""
    container: str = ""
    """The id of the container that does it."""
    by: str = ""
    """`CLIENT` for clients outside of containers only, `CONTAINER` for containers only."""

    def fits(self, name: str) -> bool:
        """Say whether an RPC or a kind of step of this name is meant."""
        return any(_fits(each, name) for each in self.name.split("|"))

    def means(self, occasion: Occasion, named: Callable[[str], str]) -> bool:
        """Say whether this is such an occasion; `named` returns the name behind an id, or ""."""
        return (
            self.site is occasion.site
            and self.moment is occasion.moment
            and self.fits(occasion.name)
            and _fits(self.container, occasion.container_id)
            and self.by in ("", CONTAINER if occasion.container_id else CLIENT)
            and _is_function(self.function, occasion.function)
            and (not self.path or any(fnmatchcase(path, self.path) for path in occasion.paths))
            and all(_is_object(each, occasion.objects, named) for each in self.objects)
        )


@dataclass(frozen=True, slots=True)
class Fail:
    """It fails with this status and these words."""

    code: Code
    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """It takes this many seconds longer, of the emulator's clock."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection breaks, so that no answer comes."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A download is answered with HTTP 503."""


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Bits of a download are flipped."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """The end of a body is lost on the way."""

    keep: int | None = None
    """So many bytes of a download arrive; None is half of them."""


@dataclass(frozen=True, slots=True)
class DiskFull:
    """There is no space left: a container's file is not opened, a commit is refused."""


@dataclass(frozen=True, slots=True)
class Kill:
    """The container whose doing it is ends without a word."""

    oom: bool = False


@dataclass(frozen=True, slots=True)
class Preempt:
    """Modal takes the container away: interrupt, grace, kill."""


@dataclass(frozen=True, slots=True)
class RegionDown:
    """A region goes down."""

    region: str


@dataclass(frozen=True, slots=True)
class Skew:
    """The clock of a container is so many seconds ahead, for as long as it runs."""

    seconds: float


Effect = (
    Fail
    | Delay
    | Drop
    | Unavailable
    | Corrupt
    | Truncate
    | DiskFull
    | Kill
    | Preempt
    | RegionDown
    | Skew
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One fault: what happens, where, and how often; a value that can be made anywhere."""

    effect: Effect
    where: Where
    times: int | None = 1
    """How often it is to happen; None is without end."""
    after: int = 0
    """So many occasions pass first."""
    every: int = 1
    """It strikes each so many-th occasion."""
    probability: float = 1.0
    """With which it strikes, drawn for each occasion."""
    seed: int = 0
    """Where what is drawn comes from."""
    text: str = field(default="", compare=False)
    """As a user would write it, without how often."""

    def __str__(self) -> str:
        """Return it as a user would write it."""
        often = [] if self.times is None else [f"times={self.times}"]
        often += [f"after={self.after}"] if self.after else []
        often += [f"every={self.every}"] if self.every != 1 else []
        if self.probability < 1:
            often += [f"probability={self.probability:g}", f"seed={self.seed}"]
        head = (self.text or f"{type(self.effect).__name__.lower()}()").removesuffix(")")
        return f"{head}{', ' if often and not head.endswith('(') else ''}{', '.join(often)})"


def _fits(wanted: str, found: str) -> bool:
    return not wanted or fnmatchcase(found, wanted)


def _is_function(wanted: str, found: str) -> bool:
    # One that a test defines within itself is called test_x.<locals>.name.
    return _fits(wanted, found) or _fits(wanted, found.rpartition(".<locals>.")[2])


def _is_object(
    wanted: tuple[str, str], objects: Mapping[str, str], named: Callable[[str], str]
) -> bool:
    word, name = wanted
    found = objects.get(word, "")
    return bool(found) and (fnmatchcase(found, name) or _is_function(name, named(found)))
