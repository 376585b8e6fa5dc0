"""
`sys.stdout` and `sys.stderr`, which go to the container's output in containers of threads.

Whatever the two streams are at the moment, pytest's own among them, is wrapped: inside a container
the wrapper hands on to the container's output, outside to the stream underneath. pytest puts other
streams there between phases of a test, so the wrapping is done anew whenever a container begins an
input. Code that reaches a breakpoint sees the streams underneath from then on: somebody sits there.

What cannot be had: what C code or `os.write` writes to the files 1 and 2, and what goes to a stream
that code has kept since before it was wrapped (handlers of `logging` are found), is the process's.
"""

import bdb
import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from modal_emulator.runtime.inline.here import Here, here
from modal_emulator.runtime.replacing import wrap_one

__all__ = ["share_console", "wrap_streams"]

_NUMBERS = {"stdout": 1, "stderr": 2}


def wrap_streams() -> None:
    """Wrap what stands for the two streams just now, unless that is wrapped."""
    for name, number in _NUMBERS.items():
        stream = getattr(sys, name)
        if stream is not None and type(stream) is not _Wrapper:
            setattr(sys, name, _Wrapper(stream, number))
        _move_handlers(getattr(sys, name))


def share_console() -> Callable[[], None]:
    """Give containers their part of the streams; returns what takes that back."""
    takers = [
        wrap_one(contextlib._RedirectStream, "__enter__", _entering),
        wrap_one(contextlib._RedirectStream, "__exit__", _exiting),
        wrap_one(bdb.Bdb, "set_trace", _tracing),
    ]
    wrap_streams()

    def take_back() -> None:
        for take in takers:
            take()
        for name in _NUMBERS:
            stream = getattr(sys, name)
            if type(stream) is _Wrapper:
                setattr(sys, name, stream.underneath)
        for handler in _stream_handlers():
            if type(handler.stream) is _Wrapper:
                handler.stream = handler.stream.underneath

    return take_back


class _Part:
    """What the streams are in one container."""

    def __init__(self) -> None:
        self.is_debugged = False
        self.redirected: dict[str, list[Any]] = {name: [] for name in _NUMBERS}


def _part(container: Here) -> _Part:
    if container.console is None:
        container.console = _Part()
    part: _Part = container.console
    return part


class _Wrapper:
    """One of the two streams, for everybody."""

    def __init__(self, underneath: Any, number: int) -> None:
        self.underneath = underneath
        self._number = number
        self._name = next(name for name, each in _NUMBERS.items() if each == number)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        # Code that asks what kind of stream this is means the one underneath.
        return type(self.underneath)

    def _now(self) -> Any:
        """Return the stream of whoever calls."""
        container = here()
        if container is None:
            return self.underneath
        part = _part(container)
        if part.redirected[self._name]:
            return part.redirected[self._name][-1]
        return self.underneath if part.is_debugged else _Told(container, self._number)

    def write(self, text: str, /) -> int:
        """Write where the caller's output goes."""
        count: int = self._now().write(text)
        return count

    def flush(self) -> None:
        """Flush where the caller's output goes."""
        self._now().flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now(), name)

    def __iter__(self) -> Any:
        return iter(self._now())

    def __enter__(self) -> Any:
        self._now().__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._now().__exit__(*error)


class _Told:
    """A text stream whose other end is a container's output."""

    encoding, errors, newlines = "utf-8", "backslashreplace", None
    mode, closed, line_buffering, write_through = "w", False, True, True

    def __init__(self, container: Here, number: int) -> None:
        self._container, self._number = container, number
        self.name = f"<{'stdout' if number == 1 else 'stderr'}>"

    @property
    def buffer(self) -> "_Bytes":
        """The same for bytes."""
        return _Bytes(self._container, self._number)

    def write(self, text: str, /) -> int:
        """Hand on text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._container.on_output(self._number, text.encode(self.encoding, self.errors))
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:
        """Hand on several texts."""
        for line in lines:
            self.write(line)

    def fileno(self) -> int:
        """Return an open file that leads to the same output, for programs."""
        if self._container.outlets is None:
            raise OSError("this stream has no file")
        return self._container.outlets()[self._number - 1]

    def flush(self) -> None:
        """Nothing is kept back."""

    def reconfigure(self, **_options: object) -> None:
        """It is as it is."""

    close = reconfigure

    def isatty(self) -> bool:
        """Nobody sits there."""
        return False

    def writable(self) -> bool:
        """It is for writing."""
        return True

    def readable(self) -> bool:
        """And for nothing else."""
        return False

    seekable = readable

    def __enter__(self) -> "_Told":
        return self

    def __exit__(self, *_error: object) -> None:
        pass


class _Bytes(_Told):
    """A binary stream whose other end is a container's output."""

    mode = "wb"

    def write(self, data: Any, /) -> int:
        """Hand on bytes."""
        whole = bytes(memoryview(data))
        if whole:
            self._container.on_output(self._number, whole)
        return len(whole)


_HANDLERS = threading.Lock()


def _move_handlers(stream: Any) -> None:
    """Have handlers that keep the stream underneath keep the wrapper."""
    if type(stream) is not _Wrapper:
        return
    with _HANDLERS:
        for handler in _stream_handlers():
            if handler.stream is stream.underneath:
                handler.stream = stream


def _stream_handlers() -> Iterable["logging.StreamHandler[Any]"]:
    for reference in tuple(logging._handlerList):  # type: ignore[attr-defined]
        handler = reference()
        # The class that looks up `sys.stderr` each time needs nothing.
        if isinstance(handler, logging.StreamHandler) and "stream" in vars(handler):
            yield handler


def _entering(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def enter(self: Any) -> Any:
        container = here()
        if container is None or self._stream not in _NUMBERS:
            return original(self)
        wrap_streams()
        _part(container).redirected[self._stream].append(self._new_target)
        return self._new_target

    return enter


def _exiting(original: Callable[..., Any]) -> Callable[..., Any]:
    def leave(self: Any, *error: object) -> Any:
        container = here()
        if container is None or self._stream not in _NUMBERS:
            return original(self, *error)
        _part(container).redirected[self._stream].pop()
        return None

    return leave


def _tracing(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_trace(self: Any, frame: Any = None, *rest: Any, **options: Any) -> Any:
        container = here()
        if container is not None:
            _part(container).is_debugged = True
        return original(self, frame or sys._getframe().f_back, *rest, **options)

    return set_trace
