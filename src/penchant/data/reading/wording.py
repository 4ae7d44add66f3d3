"""How messages name an option: as on the command line, or as in Python."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_COMMAND_LINE: ContextVar[bool] = ContextVar("command_line", default=False)
_FLAGS = {
    "kinds": "kind",
    "time_format": "time-format",
    "time_zone": "time-zone",
    "day_first": "day-first",
}  # options with another name on the command line


@contextmanager
def command_line() -> Iterator[None]:
    """Within this context, messages name options as on the command line."""
    before = _COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _COMMAND_LINE.reset(before)


def option(name: str, value: Mapping[str, object] | str | bool | None = None) -> str:
    """An option as the user writes it, with or without a value: ``--sep ';'`` or ``sep=";"``."""
    if not _COMMAND_LINE.get():
        written = repr(value) if isinstance(value, bool) else json.dumps(value, ensure_ascii=False)
        return name if value is None else f"{name}={written}"
    flag = f"--{_FLAGS.get(name, name)}"
    if name == "day_first" and value is False:
        return "--month-first"
    if value is None or isinstance(value, bool):
        return flag
    text = value if isinstance(value, str) else ",".join(f"{key}={one}" for key, one in value.items())
    return f"{flag} {shlex.quote(text)}"
