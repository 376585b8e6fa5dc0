"""What is written into a picture: steps, containers and versions in a few plain words."""

from collections.abc import Iterable

from modal_emulator.findings.entries import Beside, Entry, Lane, Story
from modal_emulator.ground.steps import Kind

__all__ = ["below", "clipped", "listed", "plain", "said", "seen", "title", "where"]


LOOKS = frozenset({Kind.READ.value, Kind.LOOK.value, Kind.LIST.value})
VERBS = {
    Kind.READ.value: "reads",
    Kind.WRITE.value: "writes",
    Kind.CLOSE.value: "closes",
    Kind.LOOK.value: "looks at",
    Kind.LIST.value: "lists",
    Kind.MAKE.value: "makes",
    Kind.RENAME.value: "renames",
    Kind.REMOVE.value: "removes",
    Kind.CHANGE.value: "changes",
    Kind.RUN.value: "runs",
    Kind.COMMIT.value: "commits",
    Kind.RELOAD.value: "reloads",
    Kind.BACKGROUND_COMMIT.value: "background commit of",
    Kind.EXIT_COMMIT.value: "exit commit of",
    Kind.DICT_READ.value: "reads Dict",
    Kind.DICT_WRITE.value: "writes Dict",
    Kind.QUEUE_READ.value: "looks into Queue",
    Kind.QUEUE_PUT.value: "puts into Queue",
    Kind.QUEUE_GET.value: "gets from Queue",
}


def plain(text: str) -> str:
    """Return text that neither a terminal nor XML takes for anything else."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def clipped(text: str, most: int) -> str:
    """Return a text of so many characters at most; of a long one the ends, which tell most."""
    if len(text) <= most:
        return text
    front = (most - 3) // 2
    return f"{text[:front]}...{text[front + 3 - most :]}"


def listed(paths: Iterable[str], most: int = 2) -> str:
    """Return the first of these paths, and how many more there are."""
    named = [path or "." for path in paths]
    more = f" +{len(named) - most}" if len(named) > most else ""
    return plain(", ".join(named[:most]) + more)


def title(lane: Lane, story: Story) -> str:
    """Return the name of a lane: its function, with a number where it has several containers."""
    same = [each.container_id for each in story.lanes if each.function == lane.function]
    if not lane.container_id:
        return "client"
    number = f"#{same.index(lane.container_id) + 1}" if len(same) > 1 else ""
    return plain(lane.function or "container") + number


def said(entry: Entry) -> str:
    """Return what was done, without who did it and what came of it."""
    name, path = plain(entry.object), _path(entry.path)
    words = {
        Kind.START.value: "starts",
        Beside.MOUNT.value: f"starts, with {name} at v{entry.version}",
        Beside.UPLOAD.value: f"changes {name}",
        Beside.LOST.value: f"loses {listed(entry.paths)}",
        Beside.KEPT.value: f"is gone; {name} is kept",
        Beside.EXIT.value: "ends" + (f" ({plain(entry.detail)})" if entry.detail else ""),
        Kind.INPUT.value: "takes an input",
        Kind.OUTPUT.value: "gives its result",
        Kind.STOP.value: "is told to leave",
        Kind.CALL.value: f"calls {name}",
        Kind.RESULT.value: f"asks for the result of {name}",
    }
    if entry.kind in words:
        return words[entry.kind]
    verb = VERBS.get(entry.kind, entry.kind)
    if entry.is_file_step:
        renamed = f" to {_path(entry.to)}" if entry.to else ""
        return f"{verb} {path or name}{renamed}"
    detail = plain(entry.detail) if entry.kind in (Beside.FAULT.value, Beside.FINDING.value) else ""
    return " ".join(filter(None, (verb, name, detail)))


def seen(entry: Entry) -> str:
    """Return which version of a volume it saw, or made, or how it failed."""
    if entry.error:
        return "not there" if entry.error.startswith("FileNotFoundError") else "fails"
    if entry.made:
        return f"on v{entry.version}, makes v{entry.made}"
    if entry.kind == Beside.MOUNT.value:
        return ""
    if entry.kind == Kind.RELOAD.value:
        return f"sees v{entry.version}"
    commits = (Kind.COMMIT.value, Kind.BACKGROUND_COMMIT.value, Kind.EXIT_COMMIT.value)
    if entry.kind in commits:
        return "nothing new"
    return f"sees v{entry.version}" if entry.kind in LOOKS else ""


def where(entry: Entry) -> str:
    """Return the line of user code that did it, short."""
    return plain(entry.where[-1].rpartition("/")[2]) if entry.where else ""


def below(entries: Iterable[Entry]) -> str:
    """Return in a few words what several steps did that are not shown one by one."""
    kinds: dict[str, int] = {}
    for entry in entries:
        kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _path(path: str) -> str:
    # Keys and partitions are what came over the wire, pickled or empty.
    return "" if path == "b''" or path.startswith("b'\\x80") else plain(path)
