"""
Modal's Mounts: local code and files on their way into containers.

A Mount is a list of files by absolute path, each with its digest and mode; equal lists are the
same Mount and have the same id. Its files are laid out once, as a tree that mirrors `/` and can
lie under an overlay. Trees share files with one another through hard links: whoever shows a tree
without an overlay must copy it first. Symbolic links do not occur; the SDK follows them.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.content import Content
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.paths import parse

__all__ = ["DEFAULT_MODE", "Mount", "MountFile", "Mounts"]

DEFAULT_MODE = 0o644


@dataclass(frozen=True, slots=True, order=True)
class MountFile:
    """A file of a Mount: where it is to be, its SHA-256 (hex) and its permission bits."""

    path: str
    sha256: str
    mode: int = DEFAULT_MODE


@dataclass(frozen=True, slots=True)
class Mount:
    """A Mount; `checksum` says what is in it."""

    mount_id: str
    files: tuple[MountFile, ...]
    checksum: str


class Mounts:
    """Keeps Mounts and lays their files out."""

    def __init__(
        self,
        ledger: Ledger,
        content: Content,
        environments: Environments,
        directory: Path,
        ids: Ids,
    ) -> None:
        self._ledger = ledger
        self._content = content
        self._environments = environments
        self._trees = directory / "trees"
        self._files = directory / "files"
        self._ids = ids
        for part in (self._trees, self._files):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sweep(part)
        self._mounts = {key: _mount_from(key, value) for key, value in ledger.all("mount")}
        # Stands for the SDK's own Mounts, whose handles outlive a World and are not loaded again.
        self.create(())

    def contents(self) -> set[str]:
        """Return the SHA-256 of all files of all Mounts."""
        return {file.sha256 for mount in self._mounts.values() for file in mount.files}

    def create(self, files: Iterable[MountFile]) -> Mount:
        """
        Return the Mount of these files, whose bytes must have been brought.

        Raises:
            Invalid: a path is not clean, lies below a file, or its bytes are not here.
        """
        chosen = self._checked(files)
        record = json.dumps([(f.path, f.sha256, f.mode) for f in chosen]).encode()
        checksum = hashlib.sha256(record).hexdigest()
        mount = Mount(self._ids.stable("mo", checksum), chosen, checksum)
        if mount.mount_id not in self._mounts:
            self._ledger.put("mount", mount.mount_id, record)
            self._mounts[mount.mount_id] = mount
        return mount

    def get(self, mount_id: str) -> Mount:
        """Return the Mount."""
        mount = self._mounts.get(mount_id)
        if mount is None:
            raise NotFound(f"No Mount with ID '{mount_id}' found")
        return mount

    def lookup(self, name: str, environment: str) -> Mount:
        """Return the Mount of this name; nobody can publish one, so there is none."""
        where = self._environments.resolve(environment)
        raise NotFound(f"Mount '{name}' not found in environment '{where}'")

    def tree(self, mount_id: str) -> Path:
        """
        Return the directory that holds the Mount's files, laid out as below `/`.

        Touches no shared state but files, so it may run in a thread.
        """
        mount = self.get(mount_id)
        tree = self._trees / mount_id
        if not tree.is_dir():
            draft = Path(tempfile.mkdtemp(prefix="draft-", dir=self._trees))
            self._lay_out(mount, draft)
            _settle(draft, tree)
        return tree

    def _checked(self, files: Iterable[MountFile]) -> tuple[MountFile, ...]:
        chosen: dict[tuple[str, ...], MountFile] = {}
        for file in files:
            parts = parse(file.path)
            if not parts or not file.path.startswith("/"):
                raise Invalid(f"Mount path must be absolute: {file.path!r}")
            if not self._content.has(file.sha256):
                raise Invalid(f"The content of {file.path!r} has not been uploaded")
            # The SDK may name a path twice, from overlapping entries; the last counts [guess].
            chosen[parts] = MountFile("/" + "/".join(parts), file.sha256, file.mode & 0o7777)
        for parts in chosen:
            for cut in range(1, len(parts)):
                if parts[:cut] in chosen:
                    above = chosen[parts[:cut]].path
                    raise Invalid(f"Mount path {above!r} is a file and also a directory")
        return tuple(sorted(chosen.values()))

    def _lay_out(self, mount: Mount, into: Path) -> None:
        into.chmod(0o755)
        made: set[tuple[str, ...]] = {()}
        for file in mount.files:
            parts = parse(file.path)
            for cut in range(1, len(parts)):
                if parts[:cut] not in made:
                    above = into.joinpath(*parts[:cut])
                    above.mkdir()
                    above.chmod(0o755)  # whatever the umask says
                    made.add(parts[:cut])
            into.joinpath(*parts).hardlink_to(self._file(file))

    def _file(self, file: MountFile) -> Path:
        # One file for each content and mode: modes belong to the inode, and the content
        # store's own files must not be reachable from a container.
        kept = self._files / f"{file.sha256}.{file.mode:04o}"
        if not kept.is_file():
            descriptor, name = tempfile.mkstemp(prefix="draft-", dir=self._files)
            os.close(descriptor)
            shutil.copyfile(self._content.path(file.sha256), name)
            Path(name).chmod(file.mode)
            # Linked, not renamed: replacing what another thread has just made takes that file
            # away from it in the middle of its own link.
            with suppress(FileExistsError):
                kept.hardlink_to(name)
            Path(name).unlink()
        return kept


def _mount_from(mount_id: str, record: bytes) -> Mount:
    files = tuple(MountFile(*fields) for fields in json.loads(record))
    return Mount(mount_id, files, hashlib.sha256(record).hexdigest())


def _settle(draft: Path, tree: Path) -> None:
    # Renaming a directory onto one that another thread has just filled fails; theirs is as good.
    try:
        draft.rename(tree)
    except OSError:
        shutil.rmtree(draft)
        if not tree.is_dir():
            raise


def _sweep(directory: Path) -> None:
    for leftover in directory.glob("draft-*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
