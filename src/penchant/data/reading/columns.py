"""The role of each column, from its name or as the caller names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penchant.data.reading.dates import are_dates
from penchant.data.reading.names import NAMES, NEED_DATES, NEED_NUMBERS, QUANTITY_NAMES, RATING_NAMES, plain
from penchant.data.reading.numbers import are_numbers
from penchant.data.reading.wording import option
from penchant.errors import DataError, ParameterError

ROLES = ("user", "item", "value", "quantity", "kind", "time", "session", "basket", "position", "split")
CANCELS = ":cancels"
CONTEXT = "context:"  # before the name of a context: its role


def parse_columns(columns: Mapping[str, str] | str | None) -> dict[str, str]:
    """The roles that a caller gives: a mapping, or ``user=C,item=C`` as on the command line."""
    if columns is None:
        return {}
    if isinstance(columns, str):
        pairs = [part.partition("=") for part in columns.split(",") if part.strip()]
        for role, sign, name in pairs:
            if not sign or not name.strip():
                raise ParameterError(f"columns read like user=C,item=C, not {role!r}")
        given = {role.strip(): name.strip() for role, _, name in pairs}
        if len(given) != len(pairs):
            raise ParameterError(f"a role occurs twice in the columns {columns!r}")
    else:
        given = {str(role): str(name) for role, name in columns.items()}
    for role in given:
        if role not in ROLES:
            raise ParameterError(f"there is no role {role!r} for a column: the roles are {', '.join(ROLES)}")
    return given


def parse_kinds(kinds: Mapping[str, float | str] | str | None) -> tuple[dict[str, float], tuple[str, ...]]:
    """Weights of kinds and the kinds that cancel an earlier event, as a caller gives them.

    A mapping, or ``view=1,cart=3,refund=-1:cancels`` as on the command line.
    """
    if isinstance(kinds, str):
        parts = [part.rpartition("=") for part in (p.strip() for p in kinds.split(",")) if part]
        wrong = next(("".join(part) for part in parts if not part[1] or not part[0].strip()), None)
        if wrong is not None:
            raise ParameterError(f"kinds read like view=1,cart=3, not {wrong!r}")
        given: Mapping[str, float | str] = {kind.strip(): weight for kind, _, weight in parts}
    else:
        given = kinds or {}
    weights: dict[str, float] = {}
    cancels = []
    for kind, weight in given.items():
        number = weight
        if isinstance(weight, str):
            text = weight.strip()
            if text.endswith(CANCELS):
                cancels.append(kind)
            try:
                number = float(text.removesuffix(CANCELS))
            except ValueError:
                raise ParameterError(f"kinds read like view=1,cart=3, not {f'{kind}={weight}'!r}") from None
        weights[kind] = number  # type: ignore[assignment]  # the recipe refuses what is not a number
    return weights, tuple(cancels)


def assign(
    names: Sequence[str], given: Mapping[str, str], file: str, sample: Sequence[Sequence[str | None]] = ()
) -> dict[str, int]:
    """Index of the column of each role; what ``given`` names comes first, the rest is known by its usual names.

    ``sample`` are the first rows: a name that also occurs for other things counts only above numbers or dates. A column
    of quantities is not a value, only a ``quantity``. Raises ``DataError`` if item, or user and session, are missing.
    """
    found: dict[str, int] = {}
    for role, name in given.items():
        found[role] = index_of(name, names, role, file)
    if len(set(found.values())) != len(found):
        raise DataError(f"two roles were given the same column: {dict(given)}", file=file)
    usual = [plain(name) for name in names]
    for role, candidates in NAMES.items():
        if role in found or (role == "quantity" and "value" in found):
            continue
        at = next(
            (i for name in candidates for i in _columns(name, names, usual) if i not in found.values()
             and _plausible(name, i, sample)), None,
        )  # fmt: skip
        if at is not None:
            found[role] = at
    missing = [
        *([] if "user" in found or "session" in found else ["user (or session)"]),
        *([] if "item" in found else ["item"]),
    ]
    if missing:
        raise DataError(
            f"no column is recognised as {' or '.join(missing)} among {', '.join(repr(n) for n in names[:20])}",
            file=file,
            fix=f"Name the columns: {option('columns', {'user': 'NAME', 'item': 'NAME'})}",
        )
    return found


def _columns(name: str, names: Sequence[str], usual: Sequence[str]) -> list[int]:
    """The columns with a usual name, those inside a nested column (``product.id``, ``items.sku``) last."""
    inside = [i for i, one in enumerate(names) if "." in one and plain(one.rpartition(".")[2]) == name]
    return [*(i for i, one in enumerate(usual) if one == name), *inside]


def _plausible(name: str, column: int, sample: Sequence[Sequence[str | None]]) -> bool:
    """Whether the cells of a column fit a name that is also used for other things."""
    if name not in NEED_NUMBERS | NEED_DATES or not sample:
        return True
    cells = [row[column] for row in sample if column < len(row)]
    return are_numbers(cells) if name in NEED_NUMBERS else are_dates(cells) or are_numbers(cells)


def is_quantity(name: str | None) -> bool:
    """Whether a column is named like a quantity, an amount or a price."""
    return name is not None and (plain(name) in QUANTITY_NAMES or plain(name.rpartition(".")[2]) in QUANTITY_NAMES)


def is_rating(name: str | None) -> bool:
    """Whether a column is named like a rating."""
    return name is not None and (plain(name) in RATING_NAMES or plain(name.rpartition(".")[2]) in RATING_NAMES)


def index_of(name: str, names: Sequence[str], role: str, file: str) -> int:
    """The column that a caller names, by name or by number from 1; raises ``DataError`` if there is none."""
    if name in names:
        return list(names).index(name)
    same = [i for i, other in enumerate(names) if plain(other) == plain(name) and plain(name)]
    if len(same) == 1:
        return same[0]
    if name.isdecimal() and 1 <= int(name) <= len(names):
        return int(name) - 1
    raise DataError(
        f"there is no column {name!r} for {role} among {', '.join(repr(n) for n in names[:20])}",
        file=file,
        fix="Columns are named as in the header, or by number from 1",
    )
