"""
What containers and readers see of one volume, as plain values: a model of the documented rules.

A volume is a dict of paths, and so is what a container sees of it. A commit is the difference
between what the container saw last and sees now, put on the newest files. Where something may
happen at a time that nobody sets (a commit in the background) or nobody knows (what is left of a
killed container), the model goes on with every world that is possible, and each thing that is
observed rules some out. It knows no SDK and no test runner.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from modal_contracts.volumes.steps import Files, Node, Refused, Step, drop, place

__all__ = ["Impossible", "Model", "Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is left open, or differs between targets."""

    background: bool = True
    """A running container may commit at any moment (G:volumes [doc]: every few seconds)."""
    after_kill: tuple[str, ...] = ("lost",)
    """What may become of what a killed container had not committed: `lost`, `kept`, or either."""


@dataclass(frozen=True, slots=True)
class View:
    """What one container sees, and what it saw when it last committed or reloaded."""

    now: Files
    seen: Files


@dataclass(frozen=True, slots=True)
class World:
    """The newest files, and the view of each container that runs."""

    head: Files = field(default_factory=dict)
    views: Mapping[int, View] = field(default_factory=dict)

    def started(self, who: int) -> "World":
        """A container sees the newest files from its start on (G:volumes [doc])."""
        return self if who in self.views else self.with_view(who, View(self.head, self.head))

    def with_view(self, who: int, view: View) -> "World":
        """Return the world in which this container sees something else."""
        return replace(self, views={**self.views, who: view})

    def killed(self, who: int) -> "World":
        """Return the world without this container, and without what it did not commit."""
        return replace(self, views={k: v for k, v in self.views.items() if k != who})

    def committed(self, who: int) -> "World":
        """
        Return the world in which this container has committed.

        Nobody else's view changes, nor its own: a commit does not reload.
        """
        view = self.views[who]
        head = publish(self.head, view.seen, view.now)
        return replace(self.with_view(who, View(view.now, view.now)), head=head)

    def reloaded(self, who: int) -> "World":
        """Return the world in which this container committed and then saw the newest files."""
        done = self.committed(who)
        return done.with_view(who, View(done.head, done.head))


def publish(head: Files, seen: Files, now: Files) -> Files:
    """
    Put the difference between two views on the newest files.

    Of one file, the last committer's counts, and all of it (G:volumes [doc]). The rest is a guess
    where others changed the same paths: a directory that is removed takes with it what others put
    there, a file in the place of others' directory takes that, a file in a directory that others
    removed brings that directory back, and a directory of both is of both.
    """
    files = dict(head)
    gone = seen.keys() - now.keys()
    for path in gone:
        drop(files, path)
    for path in sorted(now):
        if seen.get(path) != now[path]:
            place(files, path, now[path])
    return files


class Impossible(AssertionError):
    """Something was observed that can be in no world."""


class Model:
    """All worlds that are possible after the steps that were taken."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._worlds = [World()]

    def start(self, who: int) -> None:
        """A container starts, unless it runs."""
        self._become(world.started(who) for world in self._settled(self._worlds))

    def change(self, who: int, step: Step, refused: bool) -> None:
        """A container changes what it sees, or is refused."""
        worlds = []
        for world in self._worlds:
            frontier = self._settled([world.started(who)])
            try:
                views = list(step.in_container(world.started(who).views[who].now))
            except Refused:
                worlds += frontier if refused else []
                continue
            for files in [] if refused else views:
                moved = [w.with_view(who, replace(w.views[who], now=files)) for w in frontier]
                frontier = self._settled(moved)
            worlds += [] if refused else frontier
        self._observed(worlds, f"{step} was {'refused' if refused else 'done'}")

    def edit(self, step: Step, refused: bool) -> None:
        """Somebody outside changes the volume by the API, or is refused."""
        worlds = []
        for world in self._settled(self._worlds):
            try:
                done = replace(world, head=step.by_api(world.head))
            except Refused:
                worlds += [world] if refused else []
            else:
                worlds += [] if refused else [done]
        self._observed(worlds, f"{step} was {'refused' if refused else 'done'}")

    def commit(self, who: int) -> None:
        """A container commits."""
        self._become(world.started(who).committed(who) for world in self._settled(self._worlds))

    def reload(self, who: int) -> None:
        """A container reloads; what it had not committed is committed first."""
        self._become(world.started(who).reloaded(who) for world in self._settled(self._worlds))

    def kill(self, who: int) -> None:
        """A container is killed: what it committed stays, of the rest the rules say what may be."""
        ends: dict[str, Callable[[World], World]] = {
            "lost": lambda world: world.killed(who),
            "kept": lambda world: world.committed(who).killed(who),
        }
        worlds = [world.started(who) for world in self._settled(self._worlds)]
        self._become(ends[end](world) for world in worlds for end in self._rules.after_kill)

    # ---------------------------------------------------------------- what is observed

    def sees(self, who: int, found: Mapping[str, list[object]]) -> None:
        """A container found these paths: kind, text and mode of each."""
        self._match(found, lambda world: world.views[who].now, _in_container, f"container {who}")

    def lists(self, found: Mapping[str, list[object]]) -> None:
        """The API listed these paths: kind and size of each."""
        self._match(found, lambda world: world.head, _listed, "the API")

    def reads(self, path: str, found: str | None) -> None:
        """The API read a file's text, or found no file there."""
        worlds = [w for w in self._settled(self._worlds) if _text(w.head, path) == found]
        expected = [_text(world.head, path) for world in self._settled(self._worlds)]
        self._observed(worlds, f"read_file({path!r}): {found!r}, not {_either(expected)}")

    def _match(
        self,
        found: Mapping[str, list[object]],
        files: Callable[[World], Files],
        shown: Callable[[Node], list[object]],
        by: str,
    ) -> None:
        worlds = self._settled(self._worlds)
        views = [{path: shown(node) for path, node in files(w).items()} for w in worlds]
        fitting = [world for world, view in zip(worlds, views, strict=True) if view == found]
        lines = (f"\n    or {_sorted(view)}" for view in views)
        what = f"{by} shows\n       {_sorted(found)}\n   not {''.join(lines)[8:].strip()}"
        self._observed(fitting, what)

    # ---------------------------------------------------------------- possible worlds

    def _settled(self, worlds: Iterable[World]) -> list[World]:
        """Return these worlds and those where containers committed in the background since."""
        found = list(worlds)
        if self._rules.background:
            for world in found:  # grows while it is gone through
                for who, view in world.views.items():
                    if view.now != view.seen:
                        found += _new([world.committed(who)], found)
        return found

    def _become(self, worlds: Iterable[World]) -> None:
        self._worlds = []
        for world in worlds:
            self._worlds += _new([world], self._worlds)

    def _observed(self, worlds: list[World], what: str) -> None:
        if not worlds:
            raise Impossible(what)
        self._become(worlds)


def _new(worlds: Iterable[World], known: list[World]) -> Iterator[World]:
    return (world for world in worlds if world not in known)


def _in_container(node: Node) -> list[object]:
    return ["file", node.text, node.mode] if node.kind == "file" else [node.kind, node.text]


def _listed(node: Node) -> list[object]:
    return ["file", len(node.text)] if node.kind == "file" else [node.kind]


def _text(files: Files, path: str) -> str | None:
    node = files.get(path)
    return node.text if node is not None and node.kind == "file" else None


def _either(expected: list[str | None]) -> str:
    return " or ".join(sorted({repr(each) for each in expected}))


def _sorted(view: Mapping[str, object]) -> dict[str, object]:
    return {path: view[path] for path in sorted(view)}
