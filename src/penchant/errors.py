"""Everything Penchant raises on purpose, so that one ``except PenchantError`` catches it all.

::

    PenchantError
    ├── InputError                what the caller gave is wrong: the command line exits with 2
    │   ├── DataError             a file, table or array holds something unusable
    │   │   └── LeakError         the answers of a split can be read from its training part
    │   ├── ParameterError        a hyper-parameter, an option or a model name is wrong
    │   └── UnknownItemError      an item that the catalogue does not hold
    │       └── AmbiguousItemError    a title's part that several items share
    ├── FormatError               a saved folder is damaged, foreign or from the future
    ├── NotFittedError            the model has not learned anything yet
    ├── MemoryLimitError          the work would not fit into the memory that is free
    ├── MissingExtraError         an optional dependency is not installed
    └── TrainingError             training went wrong: a loss that is not a number, a full disk
"""

from __future__ import annotations

from collections.abc import Sequence


class PenchantError(Exception):
    """The root of all errors of this package."""


class InputError(PenchantError, ValueError):
    """What the caller gave is wrong."""


class DataError(InputError):
    """Data that cannot be used; says where it is as exactly as is known."""

    def __init__(
        self,
        what: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: str | None = None,
        value: object = None,
        fix: str | None = None,
    ) -> None:
        self.what, self.file, self.line, self.column, self.value, self.fix = what, file, line, column, value, fix
        place = [file or "", f"line {line}" if line is not None else "", f"column {column!r}" if column else ""]
        where = ", ".join(part for part in place if part)
        shown = f" (value {str(value)[:80]!r})" if value is not None else ""
        super().__init__((f"{where}: " if where else "") + what + shown + (f". {fix}" if fix else ""))


class LeakError(DataError):
    """The answers of a split can be read from its training part."""


class ParameterError(InputError):
    """A hyper-parameter, an option or a model name is wrong."""


class UnknownItemError(InputError, KeyError):
    """An item that the catalogue does not hold."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class AmbiguousItemError(UnknownItemError):
    """A title's part that several items share; ``matches`` lists ``(id, title)``."""

    def __init__(self, what: str, matches: Sequence[tuple[str, str]]) -> None:
        super().__init__(what)
        self.matches = list(matches)


class FormatError(PenchantError):
    """A saved folder is damaged, foreign or from the future."""


class NotFittedError(PenchantError):
    """The model has not learned anything yet."""


class MemoryLimitError(PenchantError):
    """The work would not fit into the memory that is free."""


class MissingExtraError(PenchantError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'penchant[{extra}]'")


class TrainingError(PenchantError):
    """Training went wrong: a loss that is not a number, a full disk."""
