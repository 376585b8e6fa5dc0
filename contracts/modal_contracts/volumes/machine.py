"""
A state machine that drives containers of one volume, and compares them with the model.

Hypothesis draws the steps and shortens a failure to a short program of them; what it prints reads
as what was done. Only this room needs Hypothesis, which is an extra of the package.
"""

from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from modal_contracts.volumes.model import Model
from modal_contracts.volumes.stage import OpenScene, Play, Stage
from modal_contracts.volumes.steps import Step

__all__ = ["perform"]

WHO = st.integers(0, 2)
# Few, so that steps meet.
PATHS = st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "a/b/c"])
BEFORE = st.sampled_from([(), ("a/a", "a/b/c", "b")])
SIZES = st.sampled_from([1, 7, 40])
MODES = st.sampled_from([0o600, 0o644, 0o755])
THEN = st.sampled_from(["nothing", "commit", "reload"])
NOWHERE = "nowhere/at-all"


class Containers(RuleBasedStateMachine):
    """Two or three containers that mount one volume, a client of the API, and the model."""

    open_scene: ClassVar[OpenScene]
    play: ClassVar[Play]

    @initialize(there=BEFORE)
    def begin(self, there: tuple[str, ...]) -> None:
        """Raise the curtain on a volume with these files, which all containers see."""
        self.count = 0
        self.stage = Stage(type(self).open_scene, self.play)
        self.model = Model(self.play.rules)
        for path in there:
            self.edit("upload", path, self.text(7), False)
        for who in range(self.play.containers):
            self.look(who)

    def teardown(self) -> None:
        """Look at everything once more, and end the containers."""
        if not hasattr(self, "stage"):
            return
        try:
            for who in range(self.play.containers):
                self.look(who)
            for path, (kind, *_) in self.stage.listed().items():
                if kind == "file":
                    self.model.reads(path, self.stage.text(path))
        finally:
            self.stage.close()

    # ------------------------------------------------------------ in containers

    @rule(who=WHO, path=PATHS, size=SIZES, then=THEN)
    def write(self, who: int, path: str, size: int, then: str) -> None:
        """Write a file from its beginning."""
        self.change(who, "write", path, self.text(size), then=then)

    @rule(who=WHO, path=PATHS, size=SIZES, then=THEN)
    def append(self, who: int, path: str, size: int, then: str) -> None:
        """Add to the end of a file."""
        self.change(who, "append", path, self.text(size), then=then)

    @rule(who=WHO, path=PATHS, size=st.sampled_from([0, 5, 60]), then=THEN)
    def truncate(self, who: int, path: str, size: int, then: str) -> None:
        """Give a file another size."""
        self.change(who, "truncate", path, size, then=then)

    @rule(who=WHO, old=PATHS, new=PATHS, then=THEN)
    def rename(self, who: int, old: str, new: str, then: str) -> None:
        """Rename a file, a link or a directory."""
        self.change(who, "rename", old, new, then=then)

    @rule(who=WHO, path=PATHS, then=THEN)
    def remove(self, who: int, path: str, then: str) -> None:
        """Remove a file or a link."""
        self.change(who, "remove", path, then=then)

    @rule(who=WHO, path=PATHS, then=THEN)
    def remove_tree(self, who: int, path: str, then: str) -> None:
        """Remove a directory with all that is in it."""
        self.change(who, "remove_tree", path, then=then)

    @rule(who=WHO, path=PATHS, then=THEN)
    def make_directory(self, who: int, path: str, then: str) -> None:
        """Make a directory."""
        self.change(who, "make_directory", path, then=then)

    @rule(who=WHO, path=PATHS, then=THEN)
    def symlink(self, who: int, path: str, then: str) -> None:
        """Make a link that leads nowhere."""
        self.change(who, "symlink", path, NOWHERE, then=then)

    @rule(who=WHO, path=PATHS, mode=MODES, then=THEN)
    def chmod(self, who: int, path: str, mode: int, then: str) -> None:
        """Give a file another mode."""
        self.change(who, "chmod", path, mode, then=then)

    @rule(who=WHO)
    def commit(self, who: int) -> None:
        """Commit."""
        self.model.commit(self.which(who))
        self.took(who, "commit")

    @rule(who=WHO)
    def reload(self, who: int) -> None:
        """Reload."""
        self.model.reload(self.which(who))
        self.took(who, "reload")

    @rule(who=WHO)
    def look(self, who: int) -> None:
        """Look at what is there."""
        self.model.start(self.which(who))
        self.took(who, "look")

    @rule(who=WHO)
    def kill(self, who: int) -> None:
        """Kill a container; another one takes its place."""
        if self.play.kills:
            self.stage.kill(self.which(who))
            self.model.kill(self.which(who))
            self.model.lists(self.stage.listed())

    # ------------------------------------------------------------ by the API

    @rule(path=PATHS, size=SIZES, force=st.booleans())
    def upload(self, path: str, size: int, force: bool) -> None:
        """Upload a file."""
        self.edit("upload", path, self.text(size), force)

    @rule(path=PATHS, recursive=st.booleans())
    def remove_file(self, path: str, recursive: bool) -> None:
        """Remove a file or a directory."""
        self.edit("remove_file", path, recursive)

    @rule(source=PATHS, into=PATHS, recursive=st.booleans())
    def copy_files(self, source: str, into: str, recursive: bool) -> None:
        """Copy a file or, in version 2, a directory."""
        self.edit("copy_files", source, into, recursive and self.play.version == 2)

    @rule(path=PATHS)
    def read_file(self, path: str) -> None:
        """Read a file."""
        self.model.reads(path, self.stage.text(path))

    # ------------------------------------------------------------ both, and compare

    def change(self, who: int, name: str, *arguments: Any, then: str) -> None:
        """Take a step in a container and in the model, and commit or reload at once, or not."""
        self.count += 1
        refusal, seen = self.stage.take(self.which(who), name, *arguments)
        self.model.change(self.which(who), Step(name, arguments, self.count), bool(refusal))
        self.compare(who, seen)
        if then == "commit":
            self.commit(who)
        elif then == "reload":
            self.reload(who)

    def edit(self, name: str, *arguments: Any) -> None:
        """Take a step by the API and in the model."""
        self.count += 1
        refusal = self.stage.edit(name, *arguments)
        self.model.edit(Step(name, arguments, self.count), bool(refusal))
        self.model.lists(self.stage.listed())

    def took(self, who: int, name: str) -> None:
        """Take a step that the model has taken."""
        refusal, seen = self.stage.take(self.which(who), name)
        assert not refusal, refusal
        self.compare(who, seen)

    def compare(self, who: int, seen: dict[str, list[object]]) -> None:
        """Compare what the container and the API show."""
        self.model.sees(self.which(who), seen)
        self.model.lists(self.stage.listed())

    def which(self, who: int) -> int:
        """Return which container is meant; there may be fewer than the steps know."""
        return who % self.play.containers

    def text(self, size: int) -> str:
        """Return a text of this size, which tells the step where there is room."""
        return f"{self.count};".ljust(size, ".")[:size]


def perform(open_scene: OpenScene, play: Play, *, examples: int, steps: int) -> None:
    """Run the machine: so many examples, of at most so many steps each."""
    attributes = {"open_scene": staticmethod(open_scene), "play": play}
    run_state_machine_as_test(
        type("Containers", (Containers,), attributes),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
