"""
The line to Docker's daemon.

The one room that imports the `docker` package, which is optional, and says what is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

from modal_emulator.ground.errors import EmulatorError, Invalid, NotFound
from modal_emulator.runtime.backend import Limits

__all__ = ["LABEL", "Daemon", "connect"]

LABEL = "modal-emulator"
_PERIOD = 100_000  # microseconds, as Docker itself reckons `--cpus`
_T = TypeVar("_T")


class Daemon:
    """Docker, as far as containers and images need it; every call is slow."""

    def __init__(self, client: Any, library: Any) -> None:
        self._client = client
        self._library = library

    @property
    def version(self) -> str:
        """What the daemon says of itself."""
        return str(self.ask(self._client.version)["Version"])

    def inspect_image(self, name: str) -> Mapping[str, Any]:
        """
        Return what Docker knows of an image.

        Raises:
            NotFound: there is none of that name here.
        """
        found: Mapping[str, Any] = self.ask(self._client.api.inspect_image, name)
        return found

    def make(
        self,
        image: str,
        command: Sequence[str],
        *,
        mounts: Sequence[tuple[str, str, bool]] = (),
        labels: Mapping[str, str],
        network: str,
        environment: Mapping[str, str],
        entrypoint: Sequence[str] | None = None,
        limits: Limits | None = None,
        stays: bool = False,
    ) -> Any:
        """
        Make a container; `mounts` are source, target, read-only.

        It is removed when it ends, unless it `stays`.
        """
        types = self._library.types
        return self.ask(
            self._client.containers.create,
            image,
            list(command),
            entrypoint=None if entrypoint is None else list(entrypoint),
            mounts=[
                types.Mount(target, source, type="bind", read_only=read_only)
                for source, target, read_only in mounts
            ],
            labels={LABEL: "", **labels},
            network_mode=network,
            environment=dict(environment),
            auto_remove=not stays,
            **(_limited(limits) if limits else {}),
            # What user code prints does not come this way, and nothing is to lie on a disk.
            log_config=types.LogConfig(type="none"),
            user="0:0",
            working_dir="/",
        )

    def run(self, image: str, command: Sequence[str]) -> str:
        """Run a program of an image, without a network; returns what it printed, with errors."""
        container = self.make(
            image, command[1:], labels={}, network="none", environment={}, entrypoint=command[:1]
        )
        output = self.ask(container.attach, stream=True, logs=False)
        try:
            self.ask(container.start)
            return b"".join(output).decode("utf-8", "replace")
        except BaseException:
            self.remove(container)
            raise

    def build(self, **options: Any) -> Any:
        """Build an image; yields what the daemon says, one dictionary after the other."""
        said = self.ask(self._client.api.build, decode=True, **options)
        try:
            while (message := self.ask(next, said, None)) is not None:
                yield message
        finally:
            said.close()  # a build that nobody hears is broken off

    def commit(self, container: Any, name: str, settings: Mapping[str, Any]) -> None:
        """Make an image of the files of a container that has ended; of its settings, these."""
        repository, _, tag = name.partition(":")
        self.ask(self._client.api.wait, container.id, condition="not-running")
        self.ask(
            self._client.api.commit, container.id, repository, tag, conf=dict(settings), pause=False
        )

    def remove(self, container: Any) -> None:
        """End a container and have nothing left of it; returns when that is so."""
        errors = self._library.errors
        try:
            container.remove(force=True)
        except errors.NotFound:
            return
        except errors.APIError as error:
            if error.status_code != 409:  # it is being removed already
                raise EmulatorError(_words(error)) from error
        try:
            container.wait(condition="removed")
        except errors.NotFound:
            return

    def labelled(self, label: str) -> list[Any]:
        """Return the containers, also those that have ended, with this label."""
        found = self.ask(
            self._client.containers.list, all=True, filters={"label": label}, ignore_removed=True
        )
        return list(found)

    def ask(self, what: Callable[..., _T], *arguments: Any, **options: Any) -> _T:
        """
        Call something of the library's; its errors become ours.

        Raises:
            NotFound: there is nothing of that name.
            EmulatorError: the daemon refuses, or is gone.
        """
        errors = self._library.errors
        try:
            return what(*arguments, **options)
        except errors.NotFound as error:
            raise NotFound(_words(error)) from error
        except (errors.DockerException, OSError) as error:
            raise EmulatorError(_words(error)) from error


def connect() -> Daemon:
    """
    Reach the daemon that the environment names (DOCKER_HOST), or the machine's.

    Raises:
        Invalid: the library is not installed, or nobody answers.
    """
    try:
        docker: Any = import_module("docker")
    except ImportError:
        raise Invalid(
            "the runtime 'docker' needs the docker package: pip install 'modal-emulator[docker]'"
        ) from None
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise Invalid(f"the runtime 'docker' needs Docker's daemon: {_words(error)}") from None
    return Daemon(client, docker)


def _limited(limits: Limits) -> dict[str, int]:
    options: dict[str, int] = {}
    if limits.memory:
        # With as much of both there is no swap.
        options["mem_limit"] = options["memswap_limit"] = limits.memory * 2**20
    if limits.cpu:
        options |= {"cpu_period": _PERIOD, "cpu_quota": limits.cpu * _PERIOD // 1000}
    return options


def _words(error: BaseException) -> str:
    return str(getattr(error, "explanation", None) or error)
