"""The exceptions that Penchant raises; ``except PenchantError`` catches them all.

::

    PenchantError
    ├── InputError                invalid input from the caller; the command line exits with 2
    │   ├── DataError             invalid data in a file, table or array
    │   │   └── LeakError         a split's training part reveals its held-out items
    │   ├── ParameterError        an invalid hyper-parameter, option or model name
    │   └── UnknownItemError      an item that is not in the catalogue
    │       └── AmbiguousItemError    part of a title that matches several items
    ├── FormatError               a saved folder is damaged, foreign, or of a newer format
    ├── NotFittedError            the model has not been fitted
    ├── MemoryLimitError          the work needs more memory than is free
    ├── ScoreError                a model's scores or predictions are NaN
    ├── MissingExtraError         an optional dependency is not installed
    └── TrainingError             training failed, for example on a NaN loss or a full disk
"""

from __future__ import annotations

from collections.abc import Sequence


class PenchantError(Exception):
    """The base class of all errors that Penchant raises."""


class InputError(PenchantError, ValueError):
    """Invalid input from the caller."""


class DataError(InputError):
    """Invalid data; the message gives its location as exactly as known."""

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
    """A split's training part reveals its held-out items."""


class ParameterError(InputError):
    """An invalid hyper-parameter, option or model name."""


class UnknownItemError(InputError, KeyError):
    """An item that is not in the catalogue."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class AmbiguousItemError(UnknownItemError):
    """Part of a title that matches several items; ``matches`` lists them as ``(id, title)``."""

    def __init__(self, what: str, matches: Sequence[tuple[str, str]]) -> None:
        super().__init__(what)
        self.matches = list(matches)


class FormatError(PenchantError):
    """A saved folder is damaged, was not written by Penchant, or has a newer format."""


class NotFittedError(PenchantError):
    """The model has not been fitted."""


class MemoryLimitError(PenchantError):
    """The work needs more memory than is free."""


class ScoreError(PenchantError):
    """A model's scores or predictions are NaN, so nothing can be ranked by them."""

    def __init__(self, model: str, row: int, what: str = "scores") -> None:
        super().__init__(f"{model}: its {what} of history {row} (counted from 0) are not numbers (NaN)")
        self.model, self.row, self.what = model, row, what

    def at(self, row: int) -> ScoreError:
        """The same error of another row, for callers that rank in blocks."""
        return ScoreError(self.model, row, self.what)


class MissingExtraError(PenchantError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'penchant[{extra}]'")


class TrainingError(PenchantError):
    """Training failed, for example on a NaN loss or a full disk."""
