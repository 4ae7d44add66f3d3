"""Writing files without losing others: inputs are never overwritten, and a file appears complete or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penchant.errors import ParameterError


def refuse_inputs(target: Path, inputs: Iterable[Path]) -> None:
    """Raise ``ParameterError`` if writing ``target`` would change an input.

    Two paths are the same file whatever their spelling, also through symbolic and hard links. A target inside a folder
    that is an input, and a folder with an input inside, are refused too.
    """
    place = Path(os.path.realpath(target))
    for source in inputs:
        here = Path(os.path.realpath(source))
        if here == place or _same(place, here):
            raise ParameterError(f"{target} is an input ({source}): name another file for the output")
        if here.is_dir() and place.is_relative_to(here):
            raise ParameterError(f"{target} is inside an input ({source}): name another place for the output")
        if here.is_relative_to(place):
            raise ParameterError(f"{target} has an input inside ({source}): name another place for the output")


def refuse_existing(target: Path, *, force: bool, ours: Callable[[Path], bool] | None = None) -> None:
    """Raise ``ParameterError`` if ``target`` exists, unless forced or if ``ours`` recognises the file by its content.

    Pipes and devices can be written in any case, and so can an empty file.
    """
    if force or not target.exists() or not target.is_file() or not target.stat().st_size:
        return
    if ours is None or not ours(target):
        raise ParameterError(f"{target} exists: name another file, or force its replacement (--force, force=True)")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


@contextmanager
def replacing_file(target: Path) -> Iterator[Path]:
    """A fresh path beside ``target`` to write to, which takes its place at the end; on an error nothing is left.

    A symbolic link stays, and the file behind it is replaced. A pipe or a device is written directly. Raises an
    ``OSError`` that names ``target`` if writing fails.
    """
    place = Path(os.path.realpath(target))
    if place.exists() and not place.is_file():
        yield target
        return
    fresh = beside(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield fresh
        publish(fresh, place)
    except OSError as error:  # its own file name means nothing to the user
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise unwritten(error, target, place.parent) from error
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def unwritten(error: OSError, target: Path, folder: Path) -> OSError:
    """The error of writing ``target``, with the free bytes of the disk of ``folder`` where that is full."""
    why = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in why:  # polars gives no number
        with suppress(OSError):
            why += f": {shutil.disk_usage(folder).free / 2**20:,.1f} MiB are free"
    return OSError(error.errno, f"cannot be written ({why})", str(target))


def publish(fresh: Path, place: Path) -> None:
    """Flush a file to the disk and give it its final name, with the permissions of the file that it replaces."""
    flush(fresh)
    with suppress(OSError):
        fresh.chmod(place.stat().st_mode & 0o7777)
    fresh.replace(place)


def flush(file: Path) -> None:
    """Wait until the disk has a file."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def beside(path: Path) -> Path:
    """A path that does not exist, in the folder of ``path``, hidden."""
    return path.parent / f".{path.name[:100]}.new-{uuid.uuid4().hex[:12]}"


def reachable(path: Path) -> None:
    """Raise ``ParameterError`` if ``path`` cannot be created: a parent is a file, or the folder is read-only."""
    place = Path(os.path.abspath(path)).parent  # noqa: PTH100  # the path as it was named, with its links
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise ParameterError(f"{path} cannot be written: {place} is not a folder")
    probe = beside(place / path.name)
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as wrong:
        raise ParameterError(f"{path} cannot be written: {place} is not writable ({wrong.strerror})") from None


def reachable_file(path: Path) -> None:
    """As ``reachable``, for a file, which cannot replace a folder."""
    if path.is_dir():
        raise ParameterError(f"{path} is a folder: name a file")
    if not path.exists() or path.is_file():
        reachable(path)
