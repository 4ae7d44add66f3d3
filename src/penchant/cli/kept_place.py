"""A temporary folder that the same command finds again after a kill, and that no other process uses meanwhile."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX = "penchant-log-"
LOCK = "lock"
_held: list[IO[bytes]] = []  # locks, as long as this process lives


def kept_place(key: str) -> Path:
    """The folder of ``key`` in that for temporary files, with what a command that was killed left in it.

    Only this user may read it. Where another process uses it, or it is not ours, it is a fresh one. Folders of other
    keys that killed commands left behind are removed.
    """
    if sys.platform == "win32":
        return Path(tempfile.mkdtemp(prefix="penchant-"))
    root = Path(tempfile.gettempdir())
    wanted = root / f"{PREFIX}{os.geteuid()}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    for other in root.glob(f"{PREFIX}{os.geteuid()}-*"):
        if other != wanted and (lock := _locked(other)) is not None:
            shutil.rmtree(other, ignore_errors=True)
            lock.close()
    with suppress(FileExistsError):
        wanted.mkdir(mode=0o700)
    lock = _locked(wanted)
    if lock is None:
        return Path(tempfile.mkdtemp(prefix="penchant-"))
    _held.append(lock)
    return wanted


def _locked(place: Path) -> IO[bytes] | None:
    """The lock of a folder of ours; None where another process has it, or the folder is not ours alone."""
    import fcntl

    try:
        about = place.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
            return None
        file = (place / LOCK).open("ab")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file.fileno()).st_ino == (place / LOCK).stat().st_ino:  # nobody removed it meanwhile
            return file
    except OSError:
        pass
    file.close()
    return None
