"""What `os.scandir` gives, with names as user code names the directory."""

import os
from typing import Any

__all__ = ["Entries"]


class Entries:
    """What `os.scandir` returns, for a directory that is named otherwise than it is found."""

    def __init__(self, entries: Any, directory: Any) -> None:
        self._entries = entries
        self._directory = directory

    def __iter__(self) -> "Entries":
        return self

    def __next__(self) -> "_Entry":
        return _Entry(next(self._entries), self._directory)

    def __enter__(self) -> "Entries":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory."""
        self._entries.close()


class _Entry:
    """An `os.DirEntry` with another path."""

    def __init__(self, entry: Any, directory: Any) -> None:
        self._entry = entry
        self.name = entry.name
        self.path = os.path.join(directory, entry.name)  # noqa: PTH118  (str or bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"
