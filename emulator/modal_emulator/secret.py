"""
A Secret of a running emulator, in the hands of a test.

Values go in and are never shown: not by a handle's repr, not by an error, and not in a traceback.
"""

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.store.names import Creation
from modal_emulator.store.secrets import Secret
from modal_emulator.world import World

__all__ = ["Hidden", "LocalSecret", "Values", "read_dotenv"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]
Values = Mapping[str, str] | None


class Hidden(dict[str, Any]):
    """Values on their way, which a traceback with all local variables does not show."""

    def __repr__(self) -> str:
        return f"<values of {', '.join(map(str, self)) or 'nothing'}>"


class LocalSecret:
    """A Secret by its name; it is looked up each time, so it may be made later."""

    def __init__(self, run: Run, world: Callable[[], World], name: str, environment: str) -> None:
        self._run = run
        self._world = world
        self._name = name
        self._environment = environment

    def __repr__(self) -> str:
        """Name it."""
        return f"<Secret {self._name!r}>"

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the variables in it."""

        async def read() -> tuple[str, ...]:
            return self._look_up().keys

        keys: tuple[str, ...] = self._run(read())
        return keys

    def exists(self) -> bool:
        """Say whether there is one."""

        async def look() -> bool:
            try:
                self._look_up()
            except NotFound:
                return False
            return True

        return bool(self._run(look()))

    def set(self, values: Values = None, /, **more: str) -> "LocalSecret":
        """Make it, or replace all that it holds; containers that run keep what they got."""
        __tracebackhide__ = True
        hidden = _checked(values, more)
        del values, more

        async def make() -> None:
            self._claim(Creation.CREATE_OVERWRITE_IF_EXISTS, hidden)

        self._run(make())
        return self

    def update(
        self, values: Mapping[str, str | None] | None = None, /, **more: str | None
    ) -> "LocalSecret":
        """Change some of what it holds; None takes a variable away."""
        __tracebackhide__ = True
        hidden = _checked(values, more, none=True)
        del values, more

        async def merge() -> None:
            self._world().secrets.update(self._look_up().secret_id, hidden)

        self._run(merge())
        return self

    def from_dotenv(self, path: str | Path) -> "LocalSecret":
        """Make it, or replace all that it holds, of what is in a dotenv file."""
        __tracebackhide__ = True
        return self.set(read_dotenv(Path(path)))

    def remove(self) -> None:
        """End it; containers that run keep what they got."""
        __tracebackhide__ = True

        async def delete() -> None:
            self._world().secrets.delete(self._look_up().secret_id)

        self._run(delete())

    def _look_up(self) -> Secret:
        return self._claim(Creation.LOOKUP, {})

    def _claim(self, creation: Creation, values: Mapping[str, str]) -> Secret:
        return self._world().secrets.get_or_create(
            name=self._name,
            environment=self._environment,
            creation=creation,
            values=values,
        )


def read_dotenv(path: Path) -> dict[str, str]:
    """
    Return what a dotenv file holds; a name without a value is empty, as for the SDK.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: python-dotenv is not installed.
    """
    try:
        from dotenv import dotenv_values
    except ImportError:
        raise ImportError(
            "Need the `dotenv` package installed. "
            "You can install it by running `pip install python-dotenv`."
        ) from None
    with path.open(encoding="utf-8") as file:
        return Hidden({key: value or "" for key, value in dotenv_values(stream=file).items()})


def _checked(
    values: Mapping[str, Any] | None, more: Mapping[str, Any], *, none: bool = False
) -> Hidden:
    """Return both together; whatever an error says, it is not a value."""
    __tracebackhide__ = True
    hidden = Hidden({**(values or {}), **more})
    del values, more
    for key in hidden:
        if not isinstance(key, str):
            raise Invalid(f"a key of a Secret is a str, not {type(key).__name__}")
        if not isinstance(hidden[key], str) and not (none and hidden[key] is None):
            kind = type(hidden[key]).__name__
            raise Invalid(f"the value of {key!r} in a Secret is a str, not {kind}")
    return hidden
