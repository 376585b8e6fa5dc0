"""
`os.environ` as the container's environment, in containers of threads.

There is one `os.environ` in a process, and everybody has imported it. The object stays and gets a
class that asks which container the caller runs in: there it shows and changes that container's
variables, outside it is what it was. So does everything that reads it, such as `os.getenv`,
`os.path.expandvars`, `Path.home`; `tempfile` is told separately, for it remembers what it read.

What cannot be had: C code that calls getenv(3), and the time zone of `time.localtime`, see the
environment of the process. Code that took a copy at import has the process's as well.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from modal_emulator.runtime.inline.here import here
from modal_emulator.runtime.replacing import wrap_one

__all__ = ["show_environments"]


def show_environments() -> Callable[[], None]:
    """Have `os.environ` show containers their own; returns what takes that back."""
    maps = (os.environ, os.environb)
    for each in maps:
        each.__class__ = _Environ
    functions = [
        wrap_one(os, "putenv", _putenv),
        wrap_one(os, "unsetenv", _unsetenv),
        wrap_one(tempfile, "_gettempdir", _gettempdir),
    ]

    def take_back() -> None:
        for take in functions:
            take()
        for each in maps:
            each.__class__ = os._Environ

    return take_back


class _Environ(os._Environ[Any]):
    """The environment of whoever asks."""

    def __getitem__(self, key: Any) -> Any:
        container = here()
        if container is None:
            return super().__getitem__(key)
        try:
            value = container.environment[os.fsdecode(self.encodekey(key))]
        except KeyError:
            raise KeyError(key) from None
        return self.decodevalue(os.fsencode(value))

    def __setitem__(self, key: Any, value: Any) -> None:
        container = here()
        if container is None:
            super().__setitem__(key, value)
        else:
            name, text = os.fsdecode(self.encodekey(key)), os.fsdecode(self.encodevalue(value))
            _check(name, text)
            container.environment[name] = text

    def __delitem__(self, key: Any) -> None:
        container = here()
        if container is None:
            super().__delitem__(key)
            return
        try:
            del container.environment[os.fsdecode(self.encodekey(key))]
        except KeyError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[Any]:
        container = here()
        if container is None:
            yield from super().__iter__()
        else:
            for name in list(container.environment):
                yield self.decodekey(os.fsencode(name))

    def __len__(self) -> int:
        container = here()
        return super().__len__() if container is None else len(container.environment)

    def __repr__(self) -> str:
        inner = ", ".join(f"{key!r}: {value!r}" for key, value in self.items())
        return f"environ({{{inner}}})"


def _check(name: str, text: str) -> None:
    """Refuse what the C library refuses."""
    if "\0" in name or "\0" in text:
        raise ValueError("embedded null byte")
    if not name or "=" in name:
        raise ValueError("illegal environment variable name")


def _putenv(original: Callable[..., None]) -> Callable[..., None]:
    def putenv(name: Any, value: Any, /) -> None:
        container = here()
        if container is None:
            original(name, value)
        else:
            _check(os.fsdecode(name), os.fsdecode(value))
            container.environment[os.fsdecode(name)] = os.fsdecode(value)

    return putenv


def _unsetenv(original: Callable[..., None]) -> Callable[..., None]:
    def unsetenv(name: Any, /) -> None:
        container = here()
        if container is None:
            original(name)
        else:
            container.environment.pop(os.fsdecode(name), None)

    return unsetenv


def _gettempdir(original: Callable[[], Any]) -> Callable[[], Any]:
    def gettempdir() -> Any:
        container = here()
        if container is None:
            return original()
        for name in ("TMPDIR", "TEMP", "TMP"):
            if (found := container.environment.get(name)) and os.access(found, os.W_OK):
                return os.path.abspath(found)  # noqa: PTH100
        return "/tmp"  # noqa: S108

    return gettempdir
