"""
What a clause holds: fresh names, volumes, secrets and warm containers on whatever the target is.

All of it is made with the public `modal` package, in the environment of the run. A clause never
waits: what takes time on a target happens inside `settle`, `run_once` and `eventually`.
"""

import inspect
import io
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import modal

from modal_contracts import bodies, ticking
from modal_contracts.shell import Done, Shell
from modal_contracts.target import Capability, Target, offered

__all__ = ["DATA", "Container", "ContainerReplaced", "Scene", "content", "paths", "upload"]

Result = TypeVar("Result")
Volumes = modal.Volume | Mapping[str, modal.Volume]

DATA = "/data"
"""Where a clause's one volume is mounted."""

PATIENCE_SECONDS = 60.0
WARM_SECONDS = 300


class ContainerReplaced(Exception):
    """Another container took over during a clause, so nothing can be concluded: run it again."""


class Container:
    """A container that stays warm and takes one call after the other."""

    def __init__(self, function: "modal.Function[..., Any, Any]", volume: modal.Volume | None):
        self._function = function
        self._volume = volume
        self._id: str | None = None

    def run(self, body: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """
        Run a function of `bodies` in this container; what it raises is raised here.

        Raises:
            ContainerReplaced: the target answered from another container than before.
        """
        answer: tuple[str, Result] = self._function.remote(body, arguments, options)
        return self._accept(answer)

    def begin(
        self, body: Callable[..., Result], *arguments: Any, **options: Any
    ) -> Callable[[], Result]:
        """Start a function of `bodies` and go on; return what waits for it and gives its result."""
        call = self._function.spawn(body, arguments, options)
        return lambda: self._accept(call.get())

    def forget(self) -> None:
        """Expect another container from now on: this one was killed."""
        self._id = None

    def start(self) -> None:
        """Make sure that the container runs, and so has its first view of its volumes."""
        self.run(bodies.names, "/")

    def write(self, name: str, text: str) -> None:
        """Write a file in the volume at `DATA`, without a commit."""
        self.run(bodies.write, f"{DATA}/{name}", text)

    def read(self, name: str) -> str:
        """Read a file of the volume at `DATA`."""
        return self.run(bodies.read, f"{DATA}/{name}")

    def names(self, directory: str = "") -> list[str]:
        """List a directory of the volume at `DATA`."""
        return self.run(bodies.names, f"{DATA}/{directory}")

    def remove(self, name: str) -> None:
        """Remove a file or a directory of the volume at `DATA`."""
        self.run(bodies.remove, f"{DATA}/{name}")

    def commit(self) -> None:
        """Commit the volume at `DATA`."""
        self.run(bodies.commit, self._volume)

    def run_and_commit(self, body: Callable[..., object], *arguments: Any) -> None:
        """Run a body and commit the volume at `DATA` in the same call."""
        self.run(bodies.then_commit, self._volume, body, *arguments)

    def reload(self) -> None:
        """Reload the volume at `DATA`."""
        self.run(bodies.reload, self._volume)

    def _accept(self, answer: tuple[str, Result]) -> Result:
        who, result = answer
        if self._id is None:
            self._id = who
        elif who != self._id:
            raise ContainerReplaced(f"{self._id} answered first, then {who}; run the clause again")
        return result


class Scene:
    """One clause's place in the environment of the run."""

    def __init__(self, target: Target, environment: str, stack: ExitStack, shell: Shell) -> None:
        self.environment = environment
        """The name of the environment in which everything is made."""
        self._target = target
        self._shell = shell
        self._names: dict[str, str] = {}
        self._stack = stack
        self.travelled = False
        """Whether time was stopped or made to pass."""

    def unused_name(self, word: str = "clause") -> str:
        """Return a name that no object has."""
        return f"{word}-{secrets.token_hex(6)}"

    def volume(self, version: int | None = None, **files: str) -> modal.Volume:
        """Make a volume holding these files, each named by its keyword and `.txt`."""
        options: dict[str, Any] = {} if version is None else {"version": version}
        name = self.unused_name("volume")
        volume = modal.Volume.from_name(name, create_if_missing=True, **options)
        volume.hydrate()
        self._names[volume.object_id] = name
        if files:
            upload(volume, {f"{word}.txt": text.encode() for word, text in files.items()})
        return volume

    def name_of(self, volume: modal.Volume) -> str:
        """Return the name of a volume that `volume` made; old handles do not tell it."""
        return self._names[volume.object_id]

    def secret(self, values: Mapping[str, str], name: str | None = None) -> modal.Secret:
        """Make a named secret."""
        name = name or self.unused_name("secret")
        if hasattr(modal.Secret, "objects"):
            modal.Secret.objects.create(name, dict(values))
        else:
            create: Any = modal.Secret
            create.create_deployed(name, dict(values))
        return modal.Secret.from_name(name)

    def dict(self, entries: Mapping[Any, Any] | None = None) -> modal.Dict:
        """Make a named Dict with these entries."""
        made = modal.Dict.from_name(self.unused_name("dict"), create_if_missing=True)
        made.hydrate()
        if entries:
            made.update(entries)
        return made

    def queue(self, *values: Any) -> modal.Queue:
        """Make a named Queue with these values in its default partition."""
        made = modal.Queue.from_name(self.unused_name("queue"), create_if_missing=True)
        made.hydrate()
        if values:
            made.put_many(list(values))
        return made

    def container(self, volumes: Volumes | None = None, **options: Any) -> Container:
        """Make one warm container; see `containers`."""
        return self.containers(1, volumes, **options)[0]

    def containers(
        self,
        count: int,
        volumes: Volumes | None = None,
        *,
        app_secrets: Sequence[modal.Secret] = (),
        image_env: Mapping[str, str] | None = None,
        inputs_at_once: int = 1,
        **options: Any,
    ) -> list[Container]:
        """
        Make warm containers with these volumes; a single volume is mounted at `DATA`.

        Each is the only container of a Function of its own. It starts with its first call. With
        `inputs_at_once` it works on as many at the same time, each in a thread.
        Further options go to `App.function`.
        """
        app = modal.App(secrets=list(app_secrets))
        mounts = _mounts(volumes)
        body: Any = bodies.perform
        if inputs_at_once > 1:
            body = modal.concurrent(max_inputs=inputs_at_once)(body)
        functions = [
            app.function(
                name=f"container_{number}",
                serialized=True,
                image=_image(image_env),
                volumes=mounts,
                max_containers=1,
                **{"scaledown_window": WARM_SECONDS, "timeout": WARM_SECONDS, **options},
            )(body)
            for number in range(count)
        ]
        self._stack.enter_context(app.run())
        return [Container(function, mounts.get(DATA)) for function in functions]

    def run_once(
        self, body: Callable[..., Result], *arguments: Any, volumes: Volumes, **options: Any
    ) -> Result:
        """Run a body in a container that takes this one input and then ends in order."""
        container = self.container(volumes, **_single_use(modal.App.function), **options)
        try:
            return container.run(body, *arguments)
        finally:
            self.settle()

    def object(self, kind: type, volume: modal.Volume, **parameters: Any) -> Any:
        """Make an object of a class of `bodies`; its containers take one input and then end."""
        app = modal.App()
        decorate = app.cls(
            serialized=True,
            image=_image(None),
            volumes=_mounts(volume),
            timeout=WARM_SECONDS,
            **_single_use(modal.App.cls),
        )
        remote: Any = decorate(kind)
        self._stack.enter_context(app.run())
        return remote(**parameters)

    def deployed(self, app_name: str, volume: modal.Volume) -> Container:
        """Deploy an app with one function, whose containers take one input and then end."""
        app = modal.App(app_name)
        app.function(
            name="body",
            serialized=True,
            image=_image(None),
            volumes=_mounts(volume),
            timeout=WARM_SECONDS,
            **_single_use(modal.App.function),
        )(bodies.perform)
        app.deploy(name=app_name)
        return self.deployed_before(app_name)

    def deploy(
        self,
        app_name: str,
        volume: modal.Volume,
        schedules: Mapping[str, modal.schedule.Schedule | None],
        **options: Any,
    ) -> None:
        """
        Deploy an app whose functions leave a file each time they run, named after the function.

        Each has its schedule, or None; their containers take one input and then end.
        """
        app = self.scheduled(app_name, volume, schedules, **options)
        app.deploy(name=app_name)

    def scheduled(
        self,
        app_name: str,
        volume: modal.Volume,
        schedules: Mapping[str, modal.schedule.Schedule | None],
        **options: Any,
    ) -> modal.App:
        """Make an app as `deploy` would deploy it."""
        app = modal.App(app_name)
        for name, schedule in schedules.items():
            app.function(
                name=name,
                serialized=True,
                image=_image(None),
                volumes=_mounts(volume),
                schedule=schedule,
                **_single_use(modal.App.function),
                **options,
            )(ticking.leaves_a_file(DATA, name))
        return app

    def run_app(self, app: modal.App) -> None:
        """Run an app until the clause is over."""
        self._stack.enter_context(app.run())

    def stop_app(self, app_name: str) -> None:
        """Stop a deployed app with Modal's own command."""
        usage = self.command("app", "stop", "--help").printed
        done = self.command("app", "stop", app_name, *["--yes"] * (b"--yes" in usage))
        assert done.code == 0, done.error

    def deployed_before(self, app_name: str) -> Container:
        """Find the function of a deployed app; the next input gets a container of its own."""
        return Container(modal.Function.from_name(app_name, "body"), None)

    def command(self, *arguments: str, directory: Path | None = None) -> Done:
        """Run the `modal` command with these arguments, its output no terminal but wide."""
        return self._shell.run(arguments, directory)

    def stop(self, container_id: str) -> None:
        """Interrupt a container with Modal's own command, as `modal container stop` is."""
        # Newer releases ask back unless they are told not to.
        usage = self.command("container", "stop", "--help").printed
        done = self.command("container", "stop", container_id, *["--yes"] * (b"--yes" in usage))
        assert done.code == 0, done.error

    def settle(self) -> None:
        """Return once what containers leave when they end has arrived."""
        self._target.settle()

    def advance(self, **span: float) -> None:
        """Let time pass, `hours=1` as a `timedelta` has it; the clause must need a clock."""
        self.travelled = True
        self._target.advance(timedelta(**span).total_seconds())

    def stop_time(self) -> None:
        """
        From here on let time stand where the target can; it goes on once everybody waits for that.

        Then no background commit comes between a write and a look, and no slow machine makes an
        input late. Said before the containers start. Elsewhere a clause leaves chance little time.
        """
        if Capability.CLOCK in offered(self._target):
            self.travelled = True
            self._target.stop_time()

    def eventually(self, ask: Callable[[], bool]) -> bool:
        """Ask until the answer is yes or patience is at its end; for what has no set time."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not ask():
            if time.monotonic() > end:
                return False
            time.sleep(0.25)
        return True


def upload(volume: modal.Volume, files: Mapping[str, bytes], *, force: bool = False) -> None:
    """Put files into a volume through the service."""
    with volume.batch_upload(force=force) as batch:
        for path, data in files.items():
            batch.put_file(io.BytesIO(data), path)


def content(volume: modal.Volume, path: str) -> bytes:
    """Read a file of a volume through the service."""
    return b"".join(volume.read_file(path))


def paths(volume: modal.Volume, path: str = "/", *, recursive: bool = True) -> list[str]:
    """List a volume through the service, sorted."""
    return sorted(entry.path for entry in volume.listdir(path, recursive=recursive))


def _mounts(volumes: Volumes | None) -> dict[Any, Any]:
    if volumes is None:
        return {}
    return dict(volumes) if isinstance(volumes, Mapping) else {DATA: volumes}


def _image(environment: Mapping[str, str] | None) -> modal.Image:
    image = modal.Image.debian_slim()
    if environment:
        image = image.env(dict(environment))
    return image.add_local_python_source("modal_contracts")


def _single_use(door: Callable[..., Any]) -> dict[str, Any]:
    """Say "one input per container" as the installed SDK wants it said."""
    if "single_use_containers" in inspect.signature(door).parameters:
        return {"single_use_containers": True}
    return {"max_inputs": 1}
