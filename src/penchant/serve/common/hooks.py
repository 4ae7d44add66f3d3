"""Functions of the operator, named in the settings as ``module:function``; nothing else can name code."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from penchant.errors import ParameterError

_NAME = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", re.ASCII)


def check_hook(setting: str, name: str) -> None:
    """Raises ``ParameterError`` for a name that is no ``module:function``; an empty one is no hook."""
    if name and not _NAME.fullmatch(name):
        raise ParameterError(f"{setting} is module:function, not {name[:80]!r}")


def hook(setting: str, name: str) -> Callable[..., Any] | None:
    """The function of a setting; None where it is empty. Raises ``ParameterError`` where it cannot be imported."""
    if not name:
        return None
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as wrong:
        raise ParameterError(
            f"{setting}: {name[:80]} cannot be imported ({type(wrong).__name__}: {str(wrong)[:200]})"
        ) from wrong
    if not callable(found):
        raise ParameterError(f"{setting}: {name[:80]} is no function")
    made: Callable[..., Any] = found
    return made
