"""
Builds of images: who waits for one hears what it prints and how it ends.

The same image is built once at a time, whoever asks. What a build printed is kept as long as the
World, for those who come late.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from modal_emulator.ground.errors import EmulatorError, NotBuilt
from modal_emulator.runtime.images import BuildFailed, BuildTimedOut, Built, ImageMaker, Recipe
from modal_emulator.schedule.making import Makings

__all__ = ["Build", "Builds"]

_LAST = 20  # lines that say why


@dataclass
class Build:
    """One build, running or over."""

    printed: list[str] = field(default_factory=list)
    built: Built | None = None
    failure: str = ""
    """How it failed, with the last lines that it printed."""
    timed_out: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """True when nothing more will come."""
        return self.built is not None or bool(self.failure)

    def heard(self, text: str) -> None:
        """Take what it prints."""
        self.printed.append(text)
        self._tell()

    def end(self, built: Built | None, why: str = "") -> None:
        """Say how it ended."""
        lines = "".join(self.printed).splitlines()[-_LAST:]
        self.built, self.failure = built, "\n".join([*lines, why]) if why else ""
        self._tell()

    async def follow(self, begin: int = 0) -> AsyncIterator[tuple[int, str]]:
        """Yield all that it prints from a piece on, with the number of the next one."""
        while True:
            news = self.news
            while begin < len(self.printed):
                begin += 1
                yield begin, self.printed[begin - 1]
            if self.is_over:
                return
            await news.wait()

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class Builds:
    """All builds of one World."""

    def __init__(self, maker: ImageMaker | None, makings: Makings) -> None:
        """Without a maker nothing is built, and nobody may ask."""
        self._maker = maker
        self._makings = makings
        self._builds: dict[str, Build] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def are_made(self) -> bool:
        """Whether images are built at all."""
        return self._maker is not None

    async def find(self, image_id: str) -> Built | None:
        """Return an image that is there."""
        assert self._maker is not None
        return await self._maker.find(image_id)

    def get(self, image_id: str) -> Build | None:
        """Return the newest build of an image in this World."""
        return self._builds.get(image_id)

    def begin(self, recipe: Recipe, *, anew: bool) -> Build:
        """Begin to build an image, unless that is under way."""
        running = self._builds.get(recipe.image_id)
        if running is not None and not running.is_over:
            return running
        build = self._builds[recipe.image_id] = Build()
        task = asyncio.ensure_future(self._run(recipe, build, anew))
        self._tasks[recipe.image_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(recipe.image_id, None))
        return build

    async def close(self) -> None:
        """Break off what is not done."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, recipe: Recipe, build: Build, anew: bool) -> None:
        assert self._maker is not None
        try:
            built: Built | None
            if recipe.run is None or recipe.refusals:
                built = await self._maker.build(recipe, build.heard, anew=anew)
            else:
                await self._makings.make(recipe, build.heard)
                built = await self._maker.find(recipe.image_id)
            build.end(built, "" if built else "it was removed as soon as it was made")
        except (BuildFailed, NotBuilt) as error:
            build.timed_out = isinstance(error, BuildTimedOut)
            build.end(None, error.message)
        except EmulatorError as error:
            build.end(None, f"the build could not be run: {error.message}")
        except asyncio.CancelledError:
            build.end(None, "the build was broken off")
            raise
