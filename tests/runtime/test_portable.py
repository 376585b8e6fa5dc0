"""Python's own file functions, redirected: what user code sees where nothing can be mounted."""

import asyncio
import inspect
import os
import posix
import types
from collections.abc import Callable

import pytest

from filework import SCRIPTS
from modal_emulator.runtime.backend import Mount
from modal_emulator.runtime.portable import TABLE
from yard import Yard

BY_HAND = {"open", "access", "scandir"}
NO_PATHS = {
    # Names of other things, open files, and pure functions of text.
    "_path_normpath",
    "_path_splitroot_ex",
    "confstr",
    "copy_file_range",
    "fpathconf",
    "fspath",
    "memfd_create",
    "putenv",
    "splice",
    "sysconf",
    "unsetenv",
}


def gate() -> None:
    """Stands for what `scripted` offers to scripts; those run elsewhere."""


def test_every_function_with_a_path_is_in_the_table() -> None:
    found = set()
    for name in dir(posix):
        function = getattr(posix, name)
        if callable(function):
            function = inspect.unwrap(function)  # where containers of threads are watched
        if isinstance(function, types.BuiltinFunctionType):
            try:
                parameters = set(inspect.signature(function).parameters)
            except ValueError:
                parameters = {"path"} if "path" in (function.__doc__ or "") else set()
            if parameters & {"path", "src", "dst", "file", "filename", "name"}:
                found.add(name)
    assert found - NO_PATHS <= TABLE.keys() | BY_HAND
    assert {name for name in TABLE if hasattr(posix, name)} <= found | {"getcwd", "getcwdb"}


@pytest.mark.parametrize(
    "script",
    SCRIPTS,
    ids=lambda each: each.__name__,
)
def test_user_code_finds_the_volume(yard: Yard, script: Callable[[], None]) -> None:
    """The same code runs with real mounts, which shows that it expects nothing of its own."""
    volume = yard.volume().layer(a_txt="one")
    (volume.layers[0] / "d").mkdir()
    (volume.layers[0] / "d" / "b.txt").write_text("two")

    async def story() -> None:
        run = await yard.run(script, Mount("vo-1", "/data", volume.view(version=2)))
        assert await run.printed() == ""
        await yard.close()

    asyncio.run(story())


def test_links_keep_their_targets_in_the_volume(plain: Yard) -> None:
    volume = plain.volume().layer(a_txt="one")
    (volume.layers[0] / "old").symlink_to("/data/a.txt")

    async def story() -> None:
        def script() -> None:
            import os

            print(open("/data/old").read(), os.readlink("/data/old"))
            os.symlink("/data/a.txt", "/data/new")
            os.symlink("a.txt", "/data/near")
            gate()

        view = volume.view()
        run = await plain.run(script, Mount("vo-1", "/data", view))
        end = await plain.meet()
        await run.container.collect("vo-1")
        targets = {path.name: os.readlink(path) for path in view.changes.iterdir()}
        assert targets == {"new": "/data/a.txt", "near": "a.txt"}
        end.close()
        assert await run.printed() == "one /data/a.txt"
        await plain.close()

    asyncio.run(story())
