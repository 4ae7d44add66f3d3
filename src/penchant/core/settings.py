"""Named settings: dataclasses whose fields have a default, a line of help and bounds, and their TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any

from penchant.errors import DataError, ParameterError

_SPAN = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|min|h|d|w|m|y)$")
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800, "m": 2_629_800, "y": 31_557_600}
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list"}


def setting(
    default: Any,
    help: str,
    *,
    secret: bool = False,
    shown: bool = True,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A field of a dataclass of settings: default, a line of help, bounds, if it is secret, if ``repr`` has it."""
    metadata = {"help": help, "secret": secret, "low": low, "high": high}
    return field(default=default, metadata=metadata, repr=shown and not secret)


def check_settings(settings: Any) -> None:
    """Check the type and the bounds of every field made by ``setting``; raises ``ParameterError`` that names one."""
    for one in fields(settings):
        if "help" in one.metadata:
            _check(one.name, getattr(settings, one.name), one.default, one.metadata)


def _check(name: str, value: Any, default: Any, meta: Mapping[str, Any]) -> None:
    kind = type(default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        shown = "" if meta["secret"] else f", not {str(value)[:80]!r}"
        raise ParameterError(f"{name} is {_NAMES[kind]}{shown}")
    if kind is tuple and not all(isinstance(part, str) for part in value):
        raise ParameterError(f"{name} is a list of text values")
    if meta["low"] is not None and not value >= meta["low"]:
        raise ParameterError(f"{name} is at least {meta['low']}, not {value}")
    if meta["high"] is not None and not value <= meta["high"]:
        raise ParameterError(f"{name} is at most {meta['high']}, not {value}")


def parse_span(name: str, text: str) -> int | None:
    """A span of time (``90d``, ``12m``, ``2y``) in seconds; None for 0 or nothing. Raises ``ParameterError``."""
    if text.strip() in {"0", ""}:
        return None
    found = _SPAN.match(text.strip())
    if found is None:
        raise ParameterError(f"{name} reads like 30min, 24h, 90d, 12m (months) or 2y, not {text!r}")
    return int(float(found[1]) * _UNITS[found[2]])


def read_toml(file: str) -> tuple[dict[str, Any], str]:
    """The tables of a TOML file, and its text; raises ``DataError``."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        return tomllib.loads(text), text
    except OSError as wrong:
        raise DataError(f"cannot be read ({wrong.strerror})", file=file) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise DataError(f"is not TOML ({wrong})", file=file) from None


def refuse_unknown(values: Mapping[str, Any], known: Mapping[str, Any], file: str, text: str, table: str = "") -> None:
    """Raise ``ParameterError`` with the line of the first key of a table that is not ``known``."""
    for name in values:
        if name not in known:
            line = line_of(text, name, table)
            where = f"{file}, line {line}" if line else file
            kind = f"setting {name!r} in [{table}]" if table else f"setting {name!r}"
            raise ParameterError(f"{where}: there is no {kind}; there are {', '.join(known)}")


def line_of(text: str, key: str, table: str = "") -> int | None:
    """The line, from 1, on which a TOML text sets ``key`` of a table, or begins the table of that name."""
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"^\s*\[+\s*([^\]]+?)\s*\]+", line)
        if head is not None:
            here = re.sub(r"""["'\s]""", "", head[1])
            if here == (f"{table}.{key}" if table else key):
                return number
        elif here == table and re.match(rf"""^\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
            return number
    return None
