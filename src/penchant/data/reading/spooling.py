"""Standard input and named pipes, copied to a temporary file: reading looks at a source more than once."""

from __future__ import annotations

import os
import select
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from penchant.errors import DataError, ParameterError

STANDARD_INPUT = "-"
LIMIT = "PENCHANT_PIPE_TIMEOUT"  # an environment variable: seconds
SECONDS = 60.0  # without a byte, until waiting ends
_PIECE = 1 << 20


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe: made by ``mkfifo``, by ``<(command)`` or by ``/dev/stdin``."""
    try:
        return path.is_fifo()
    except OSError:
        return False


def seconds() -> float:
    """How long a pipe may stay silent; raises ``ParameterError`` if the environment names no time."""
    text = os.environ.get(LIMIT, "")
    try:
        limit = float(text) if text else SECONDS
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise ParameterError(f"{LIMIT} is a number of seconds above 0, not {text!r}")
    return limit


def spooled(name: str) -> tuple[IO[bytes], str]:
    """A temporary file with all that the pipe delivers, and what messages call the pipe.

    The file disappears when it is no longer referred to. Raises ``DataError`` if the pipe is a terminal or empty, stays
    silent for ``seconds()``, or if the disk is full.
    """
    called = "standard input" if name == STANDARD_INPUT else name
    limit = seconds()
    # without O_NONBLOCK, opening a pipe waits for its writer without a limit
    try:
        source = sys.stdin.fileno() if name == STANDARD_INPUT else os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"it cannot be read ({error})", file=called) from error
    try:
        if os.isatty(source):
            raise DataError("this is a terminal", file=called, fix="Send a file into it: penchant inspect - < FILE")
        copy = tempfile.NamedTemporaryFile(prefix="penchant-")  # noqa: SIM115  # it lives as long as its place
        try:
            size = _copy(source, copy, called, limit)
        except OSError as error:
            what = f"it cannot be copied to {tempfile.gettempdir()} ({error.strerror})"
            raise DataError(what, file=called, fix="Set TMPDIR to a folder with more room") from error
    finally:
        if name != STANDARD_INPUT:
            os.close(source)
    if not size:
        raise DataError("nothing arrived before the end of the input", file=called)
    return copy, called


def _copy(source: int, copy: IO[bytes], called: str, limit: float) -> int:
    """Copy until the writer closes the pipe; the number of bytes."""
    size, since = 0, time.monotonic()
    # read before the first wait: if the writer was done before the pipe was opened, nothing announces its end
    waiting = os.get_blocking(source)
    while True:
        if waiting:
            left = limit - (time.monotonic() - since)
            if left <= 0 or not select.select([source], [], [], left)[0]:
                arrived = f"nothing more arrived after {size:,} bytes" if size else "nothing arrived"
                what = f"{arrived} for {limit:g} seconds"
                raise DataError(what, file=called, fix=f"Check the command that writes, or set {LIMIT} to more seconds")
        try:
            piece = os.read(source, _PIECE)
        except BlockingIOError:
            waiting = True
            continue
        if piece:
            copy.write(piece)
            size, since, waiting = size + len(piece), time.monotonic(), os.get_blocking(source)
        elif size or waiting:
            copy.flush()
            return size
        else:
            waiting = True  # no writer has opened the pipe yet
