"""
Images that are made by running a function of the user's.

The function is called once, as any other is, so that its secrets, volumes, limits and timeout are
those of every call; what its container leaves becomes the image. What is printed there belongs to
the build and not to the app. How a container becomes an image is the backend's.
"""

from collections.abc import Callable

from modal_emulator.runtime.images import BuildFailed, BuildTimedOut, Recipe
from modal_emulator.schedule.calls import Calls, Input, Outcome, Status
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.firings import Messages
from modal_emulator.schedule.heirs import Heirs
from modal_emulator.schedule.logs import Logs
from modal_emulator.schedule.pulse import Pulse

__all__ = ["Makings"]


class _Making:
    """One such run, which is the heir of the container that ends it well."""

    def __init__(self, image_id: str) -> None:
        self._image_id = image_id
        self.done: Input | None = None
        self.gone: dict[str, str] = {}
        """By container that is gone, why what it left is no image."""
        self.pulse = Pulse()

    def finished(self, done: Input) -> None:
        """The call has its outcome."""
        self.done = done
        self.pulse.beat()

    async def end(self) -> tuple[Outcome, str]:
        """Wait for the outcome and for the end of the container; return why that is no image."""
        while self.done is None:
            await self.pulse.wait()
        assert self.done.outcome is not None  # it is told of finished inputs only
        # One that nobody has taken has no container.
        while self.done.container_id and self.done.container_id not in self.gone:
            await self.pulse.wait()
        return self.done.outcome, self.gone.get(self.done.container_id, "")

    def image_of(self, container_id: str) -> str:
        """Return what the files of this container are to be, if they are to be anything."""
        done = self.done
        if done is None or done.outcome is None or done.container_id != container_id:
            return ""
        return self._image_id if done.outcome.status is Status.SUCCESS else ""

    def inherited(self, container_id: str, why: str) -> None:
        """The container is gone, and all has been heard that it printed."""
        self.gone[container_id] = why
        self.pulse.beat()


class Makings:
    """All such runs of one World."""

    def __init__(
        self, calls: Calls, dispatcher: Dispatcher, messages: Messages, logs: Logs, heirs: Heirs
    ) -> None:
        self._calls = calls
        self._dispatcher = dispatcher
        self._messages = messages
        self._logs = logs
        self._heirs = heirs

    async def make(self, recipe: Recipe, on_log: Callable[[str], None]) -> None:
        """
        Run the function of a recipe; returns once what it left is the image.

        Raises:
            BuildTimedOut: it took too long.
            BuildFailed: it raised something, or could not be run.
        """
        assert recipe.run is not None
        function_id = recipe.run.function_id
        making = _Making(recipe.image_id)
        self._heirs.name(function_id, making)
        invocation, _ = self._messages.no_arguments()
        call = self._calls.open(function_id, invocation)
        call.when_finished = making.finished
        try:
            with self._logs.diverted(function_id, on_log):
                self._dispatcher.submit(call, 0, recipe.run.payload, "")
                outcome, why = await making.end()
        finally:
            self._heirs.forget(function_id)
        if outcome.status is Status.TIMEOUT:
            raise BuildTimedOut(self._messages.words(outcome.result))
        if outcome.status is not Status.SUCCESS:
            raise BuildFailed(self._messages.words(outcome.result))
        if why:
            raise BuildFailed(why)
