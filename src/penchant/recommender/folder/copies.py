"""Copies of mapped files, arrays and indexes, that a service maps instead of the originals.

A process that reads a mapped page of a file that was truncated meanwhile is killed (SIGBUS), and one that reads a page
that was overwritten answers with it. A service therefore maps a copy of its own, named after the hash of its content.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from penchant.errors import PenchantError
from penchant.recommender.folder import tensors
from penchant.recommender.folder.manifest import changed, check_unchanged, open_regular

if sys.platform != "win32":  # there, a mapped file cannot be truncated
    import fcntl

MIB = 2**20
SPARE = 64 * MIB  # bytes that a copy leaves free on the disk, for events; a smaller copy as many as it takes
MADE = 1  # the time of change that a finished copy gets: a later change shows
LOCK = "lock"
_CHUNK = 4 * MIB
_OURS = re.compile(r"[0-9a-f]{64}\.(safetensors|faiss|part)")


class CopyError(PenchantError):
    """A file cannot be copied: the disk is full, or the folder cannot be written."""


class Copies:
    """A folder of read-only copies, one for each content, shared by all processes that use this folder.

    Whatever is mapped from a copy keeps it locked, until it or its process is gone: ``tidy`` removes what
    nobody has locked. Whoever copies or removes holds the lock of the folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()

    def read(self, path: Path, stated: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """The arrays of a file with the stated size and hash, mapped from its copy, which is made if needed.

        Raises ``FormatError`` for another content and ``CopyError`` if there is no room for a copy.
        """
        if sys.platform == "win32":
            return tensors.read(path, finite=True)
        with self.hold(path, stated) as file:  # the mapping has a duplicate of the handle, and with it the lock
            return tensors.read_file(file, path.name, finite=True)

    def hold(self, path: Path, stated: Mapping[str, Any]) -> IO[bytes]:
        """The copy of a file with the stated size and hash, made if needed: ``tidy`` keeps it while the handle is open.

        Raises as ``read`` does.
        """
        if sys.platform == "win32":
            check_unchanged(path.parent, path.name, stated)
            return open_regular(path)
        with self._locked(), ExitStack() as opened:
            copy = self.folder / f"{stated['sha256']}{path.suffix}"
            if not _intact(copy, stated["bytes"]):
                self._make(path, copy, stated)
            file = opened.enter_context(copy.open("rb"))
            fcntl.flock(file, fcntl.LOCK_SH)
            opened.pop_all()
            return file

    def tidy(self) -> int:
        """Remove the copies that no process uses, and the remains of a crash; returns their number."""
        if sys.platform == "win32" or not self.folder.is_dir():
            return 0
        removed = 0
        with self._locked():
            for path in [path for path in self.folder.iterdir() if _OURS.fullmatch(path.name)]:
                with suppress(BlockingIOError), open_regular(path) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    removed += 1
        return removed

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.folder / LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as wrong:
            raise CopyError(f"the folder of model copies {self.folder} cannot be used: {wrong.strerror}") from wrong

    def _make(self, path: Path, copy: Path, stated: Mapping[str, Any]) -> None:
        """Copy a file, comparing its hash; the copy appears complete or not at all."""
        free, size = shutil.disk_usage(self.folder).free, stated["bytes"]
        spare = min(size, SPARE)
        if free < size + spare:
            raise CopyError(
                f"the copy of {path.name} needs {size:,} bytes and leaves {spare:,} free, but {self.folder} has "
                f"{free:,}: make room, or name another folder (model_copies)"
            )
        part = copy.with_suffix(".part")
        part.unlink(missing_ok=True)  # nobody writes it: the folder is locked
        try:
            with open_regular(path) as source, part.open("xb") as target:
                if _copied(source, target) != stated["sha256"]:
                    raise changed(path.name)
                os.fchmod(target.fileno(), 0o400)
                target.flush()
                os.fsync(target.fileno())
            os.utime(part, (MADE, MADE))
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)


def _intact(copy: Path, size: int) -> bool:
    with suppress(OSError):
        found = copy.lstat()
        return found.st_size == size and int(found.st_mtime) == MADE
    return False


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    """Copy a file; returns the SHA-256 of what was written."""
    sha = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        sha.update(chunk)
        target.write(chunk)
    return sha.hexdigest()
