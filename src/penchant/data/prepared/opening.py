"""From the folder of a prepared log to its event table, whose columns stay on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from penchant.core.histories import Longs
from penchant.core.shown import Shown
from penchant.data.interactions import Interactions
from penchant.data.prepared.columns import let_go, mapped
from penchant.data.prepared.layout import Manifest, report_from_json
from penchant.data.prepared.texts import Texts
from penchant.data.reading.items import item_ids, read_items
from penchant.data.reading.places import is_prepared
from penchant.data.reading.wording import option
from penchant.data.recipe import Recipe
from penchant.data.vocab import Vocab
from penchant.errors import ParameterError

FIXED = (  # options that preparing has settled
    "columns", "kinds", "values", "weight", "positive", "sep", "encoding", "time_format", "time_zone", "day_first",
    "by", "strict", "context", "text", "opinion", "aspects", "users", "pseudonyms",
)  # fmt: skip


def prepared_among(sources: Sequence[Any], **options: Any) -> Path | None:
    """The folder of a prepared log, if the sources are one.

    Raises ``ParameterError`` where it is one of several sources, and for an option that preparing has settled.
    """
    folders = [Path(source) for source in sources if isinstance(source, (str, Path)) and is_prepared(Path(source))]
    if not folders:
        return None
    if len(sources) > 1:
        raise ParameterError(f"{folders[0]} is a prepared log, which is read alone: prepare all the files together")
    given = [name for name in FIXED if options.get(name) not in (None, False, {}, [])]
    given += ["day_first"] if options.get("day_first") is False else []
    given += ["refund"] if options.get("refund", "newest") != "newest" else []
    if given:
        raise ParameterError(
            f"{folders[0]} is a prepared log: {option(given[0])} is an option of its preparation (penchant prepare)"
        )
    return folders[0]


def open_prepared(folder: Path, *, items: Any = None, ids: str = "text", max_history: int = 500) -> Interactions:
    """The log in a folder; the memory holds ids of items, and what is used of the rest.

    ``items`` is an item table, as in ``read_interactions``. Raises ``FormatError`` for a damaged folder.
    """
    if ids not in ("text", "as given"):
        raise ParameterError(f"ids are 'text' or 'as given', not {ids!r}")
    manifest = Manifest.read(folder)
    users = Texts(folder / "users", manifest.users)
    vocab = Vocab(Texts(folder / "items", manifest.items), integers=ids != "text" and manifest.integers)
    report = report_from_json(manifest.report, folder)
    columns = {name: mapped(folder / f"{name}.npy", dtype, manifest.events) for name, dtype in manifest.columns.items()}
    table = None if items is None else read_items(items)
    if table is not None:
        vocab.extend(item_ids(table))
        report.notes += [note] if (note := table.note()) else []
    shown = {name: mapped(folder / f"{name}.npy", t, manifest.impressions) for name, t in manifest.shown.items()}

    def of_people(name: str) -> Longs:
        return mapped(folder / f"{name}.npy", np.int64, len(users) + 1)

    log = Interactions(
        vocab,
        users,
        columns["users"],
        columns["items"],
        columns.get("values"),
        manifest.values_are,  # type: ignore[arg-type]  # as it was written
        columns.get("liked"),
        columns.get("times"),
        columns.get("parts"),
        manifest.sessions,
        replace(Recipe.from_json(manifest.recipe), max_history=max_history),
        report,
        None if not manifest.guests else np.arange(len(users)) >= len(users) - manifest.guests,
        shown=None if not shown else Shown(of_people("shown_indptr"), shown["shown_items"], shown.get("shown_times")),
    )
    vars(log)["indptr"] = of_people("indptr")
    let_go(log.users)  # they were checked, and are rarely needed
    return log
