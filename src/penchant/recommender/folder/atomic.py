"""A folder that appears complete or not at all, and is replaced in one step."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penchant.core.outputs import beside, reachable, unwritten
from penchant.errors import ParameterError

PENDING = ".pending"  # in a folder whose command still has a file to publish
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def replacing(folder: Path, *, force: bool, marker: str) -> Iterator[Path]:
    """A new folder beside ``folder`` to write into; it replaces ``folder`` at the end. After an error nothing is left.

    An existing folder is refused. With ``force`` it is replaced if it is empty or contains ``marker``, so that a
    mistyped path cannot delete anything else. Raises ``ParameterError`` for a refusal, and an ``OSError`` that names
    ``folder`` if writing fails.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  # Path.resolve would follow a link at the very end
    recover(folder, marker)
    refuse(folder, force=force, marker=marker)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = beside(folder)
    fresh.mkdir()
    try:
        yield fresh
        _flush(fresh)
        refuse(folder, force=force, marker=marker)  # it may have appeared in the meantime
        _put(fresh, folder)
    except OSError as wrong:  # name the folder, not the temporary file
        shutil.rmtree(fresh, ignore_errors=True)
        raise unwritten(wrong, folder, folder.parent) from wrong
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def refuse(folder: Path, *, force: bool, marker: str) -> None:
    """Raises ``ParameterError`` if ``folder`` must not be replaced or cannot be created."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ParameterError(f"{folder} exists and is not a folder: choose another name")
    if not folder.exists():
        reachable(folder)
        return
    if not force:
        raise ParameterError(f"{folder} exists: choose another name, or force its replacement (--force, force=True)")
    if any(folder.iterdir()) and not (folder / marker).is_file():
        raise ParameterError(f"{folder} is not a saved recommender: it is not replaced, not even by force")


def await_file(folder: Path, file: Path) -> None:
    """Note in a new folder that ``file`` is to appear right after it, by the hash of its path."""
    (folder / PENDING).write_text(_key(file), encoding="utf-8")


def awaits(folder: Path, file: Path) -> bool:
    """Whether the command that wrote ``folder`` was stopped between the folder and ``file``: it may run again."""
    note = folder / PENDING
    return not note.is_symlink() and note.is_file() and note.read_bytes()[:64] == _key(file).encode()


def settle(folder: Path) -> None:
    """Note that what a folder awaited has appeared."""
    (folder / PENDING).unlink(missing_ok=True)


def _key(file: Path) -> str:
    return hashlib.sha256(os.path.realpath(file).encode("utf-8", "surrogateescape")).hexdigest()


def recover(folder: Path, marker: str) -> None:
    """Restore a folder that a crash left moved aside during its replacement."""
    if folder.exists() or not folder.parent.is_dir() or not folder.name:
        return
    aside = [path for path in folder.parent.glob(f".{_literal(folder.name)}.old-*") if (path / marker).is_file()]
    if aside:
        max(aside, key=lambda path: path.stat().st_mtime).rename(folder)


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _put(fresh: Path, folder: Path) -> None:
    """``fresh`` becomes ``folder``, and the old folder becomes ``fresh``, which the caller deletes."""
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchange(fresh, folder):
        aside = folder.parent / f".{folder.name}.old-{uuid.uuid4().hex[:12]}"
        folder.rename(aside)  # a crash before the next line is repaired by loading
        fresh.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    _flush_entry(folder.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False if the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(swap(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _flush_entry(path)
    _flush_entry(folder)


def _flush_entry(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
