"""The folder in which a log is prepared: what has been done, so that the same command goes on after a stop."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penchant.core.memory import MIB
from penchant.core.outputs import replacing_file
from penchant.data.reading.places import Place, parquet_files
from penchant.errors import DataError, ParameterError

STATE = "state.json"
FORMAT = 1
AGAIN = "Start again with --force (force=True), or choose another folder"


class Working:
    """A hidden folder beside the one that will be; ``state`` is what has been done, as JSON values."""

    def __init__(self, target: Path) -> None:
        self.target = Path(os.path.abspath(target))  # noqa: PTH100  # a link at the very end stays one
        self.folder = self.target.parent / f".{self.target.name}.preparing"
        self.state: dict[str, Any] = {}
        self.sources: Sequence[Any] = ()

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def start(self, options: dict[str, Any], sources: Sequence[Any], *, force: bool) -> None:
        """Go on from what a command with the same options and files has done, or start.

        Raises ``ParameterError`` where an interrupted command had others, and ``DataError`` where a file has changed.
        """
        self.sources = sources
        plan = {"format": FORMAT, "options": options, "files": names(sources)}
        before = self._read()
        whole = all(isinstance(source, Path) or (isinstance(source, Place) and not source.held) for source in sources)
        if before is None or force or not whole:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.state = {"plan": plan, "seen": seen(sources), "secret": os.urandom(16).hex(), "stage": "reading"}
            return
        if before["plan"] != plan:
            raise ParameterError(
                f"{self.target} is being prepared from other files or with other options: {AGAIN.lower()}"
            )
        self.state = before
        self.check()

    def check(self) -> None:
        """Raise ``DataError`` where a file is not what it was when its reading began."""
        for name, (size, *rest) in seen(self.sources).items():
            then = self.state["seen"].get(name)
            if then != [size, *rest]:
                was = "was not there" if then is None else f"had {then[0]:,} bytes"
                raise DataError(f"the file changed while it was read: it {was} and has {size:,}", file=name, fix=AGAIN)

    def save(self) -> None:
        """Keep the state; all that it speaks of is on disk already."""
        with replacing_file(self.folder / STATE) as fresh:
            fresh.write_text(json.dumps(self.state), encoding="utf-8")

    def need(self, size: float, what: str) -> None:
        """Raise an ``OSError`` with the numbers if the disk has less room than ``size`` bytes."""
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise OSError(
                errno.ENOSPC,
                f"{what} needs about {size / MIB:,.0f} MiB of disk, and {free / MIB:,.0f} MiB are free",
                str(self.folder),
            )

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While the folder is worked in, no other command does; raises ``ParameterError`` if one does."""
        if sys.platform == "win32":
            yield
            return
        import fcntl

        self.target.parent.mkdir(parents=True, exist_ok=True)
        place = self.target.parent / f".{self.target.name}.lock"
        with place.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ParameterError(f"{self.target} is being prepared by another command") from None
            try:
                yield
            finally:
                place.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("plan", {}).get("format") == FORMAT else None


def names(sources: Sequence[Any]) -> list[str]:
    """What sources are called."""
    return [
        os.path.abspath(source) if isinstance(source, Path) else str(getattr(source, "name", type(source).__name__))  # noqa: PTH100  # as above
        for source in sources
    ]


def seen(sources: Sequence[Any]) -> dict[str, list[int]]:
    """Bytes, the moment of the last change, and the number of each file of the sources."""
    out: dict[str, list[int]] = {}
    for source in sources:
        path = source.path if isinstance(source, Place) else source
        for file in parquet_files(path) if isinstance(path, Path) and path.is_dir() else [path]:
            if isinstance(file, Path):
                found = file.stat() if file.exists() else None
                out[str(file)] = [0, 0, 0] if found is None else [found.st_size, found.st_mtime_ns, found.st_ino]
    return out
