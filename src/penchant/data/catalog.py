"""The catalogue: titles, attributes, vectors and availability of the items of a vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Bools, Floats
from penchant.core.item_features import ItemFeatures
from penchant.data.vocab import Vocab
from penchant.errors import AmbiguousItemError, DataError, UnknownItemError

if TYPE_CHECKING:
    import polars as pl

_BEHIND = re.compile(r"(\s*\([^()]*\))+\s*$")  # a year, an alternative title


MOST_TEXT = 2000  # characters of one value that say what an item is about


def text_of(title: str | None, values: Iterable[Any]) -> str:
    """An item in words: its title, then the values that are text, one a line."""
    said = [title or ""]
    for value in values:
        parts = value if isinstance(value, (list, tuple, set)) else (value,)
        said += [part[:MOST_TEXT] for part in parts if isinstance(part, str)]
    return "\n".join(said)


@dataclass(frozen=True, eq=False)
class Catalog:
    """What is known about each item of ``vocab``; entry ``i`` of every column belongs to item index ``i``."""

    vocab: Vocab
    titles: list[str | None]  # (n_items,)
    attributes: dict[str, list[Any]] = field(default_factory=dict)  # name: (n_items,) text, number, list of text, None
    vectors: Floats | None = None  # (n_items, size) any embedding; zeros for an item without one
    available: Bools | None = None  # (n_items,) None: all are
    domains: list[str | None] | None = None  # (n_items,)

    def __post_init__(self) -> None:
        size = len(self.vocab)
        lists = {"titles": self.titles, "domains": self.domains, "available": self.available, "vectors": self.vectors}
        for name, column in {**lists, **self.attributes}.items():
            if column is not None and len(column) != size:
                raise DataError(f"catalogue: {name!r} has {len(column)} entries for {size} items")

    def __len__(self) -> int:
        return len(self.vocab)

    def __repr__(self) -> str:
        return f"Catalog({len(self):,} items, attributes {', '.join(self.attributes) or 'none'})"

    def described(self) -> set[str]:
        """The ids of the items that have a title or an attribute."""
        columns = [self.titles, *self.attributes.values()]
        return {item_id for n, item_id in enumerate(self.vocab.ids) if any(column[n] is not None for column in columns)}

    def over(self, vocab: Vocab) -> Catalog:
        """What is known about the items of another vocabulary, all of which are in this one."""
        places = [self.vocab.index(item_id) for item_id in vocab.ids]
        return Catalog(
            vocab, [self.titles[at] for at in places],
            {name: [column[at] for at in places] for name, column in self.attributes.items()},
            None if self.vectors is None else self.vectors[places],
            None if self.available is None else self.available[places],
            None if self.domains is None else [self.domains[at] for at in places],
        )  # fmt: skip

    @classmethod
    def empty(cls, vocab: Vocab) -> Catalog:
        """A catalogue with ids only."""
        return cls(vocab, [None] * len(vocab))

    @classmethod
    def read(
        cls,
        source: Any,
        vocab: Vocab,
        *,
        sep: str | None = None,
        encoding: str | None = None,
        column: str | None = None,
    ) -> Catalog:
        """Read an item table (a file, or a table in memory) for the items of ``vocab``.

        Columns ``title``, ``vector``, ``available`` and ``domain`` are found by their usual names; all others become
        attributes. ``column`` names the column of ids if its name is unusual. Items that are missing from the table
        have no title and no attributes; rows of items outside the vocabulary are skipped. Raises ``DataError`` for a
        table without item ids.
        """
        from penchant.data.reading.item_columns import item_columns
        from penchant.data.reading.items import read_items

        found = item_columns(read_items(source, sep=sep, encoding=encoding, column=column), vocab.ids)
        return cls(vocab, found.titles, found.attributes, found.vectors, found.available, found.domains)

    def features(self) -> ItemFeatures:
        """Attributes and vectors as the plain arrays that ``Model.fit`` takes, without titles and availability."""
        return ItemFeatures.from_columns(len(self), self.attributes, self.vectors)

    def texts(self) -> list[str]:
        """What the table says about each item in words: title, then the values of text attributes; ``(n_items,)``."""
        return [text_of(self.titles[at], [c[at] for c in self.attributes.values()]) for at in range(len(self))]

    def with_vectors(self, vectors: Floats) -> Catalog:
        """The same catalogue with other vectors, ``(n_items, size)``."""
        return replace(self, vectors=vectors)

    # -- finding --------------------------------------------------------------------------------------------------

    @cached_property
    def _folded(self) -> list[str]:
        return [(title or "").casefold() for title in self.titles]

    def title(self, index: int) -> str | None:
        """The title of one item; None if it has none."""
        return self.titles[index]

    def label(self, index: int) -> str:
        """The title of an item, or its id if it has no title."""
        return self.titles[index] or self.vocab.ids[index]

    def find(self, text: str) -> list[tuple[str, str]]:
        """``(id, title)`` of every item whose title contains ``text``, ignoring case; in index order."""
        return [(self.vocab.ids[i], str(self.titles[i])) for i in self._matches(text)]

    def _matches(self, text: str) -> list[int]:
        wanted = text.strip().casefold()
        return [i for i, title in enumerate(self._folded) if wanted in title] if wanted else []

    def resolve(self, text: str) -> int:
        """The index of the item that ``text`` means: an exact id, else a whole title, else a unique part of a title.

        Brackets at the end of a title may be left out: ``Heat`` means ``Heat (1995)`` if only one title fits.
        Raises ``UnknownItemError`` if nothing matches, and ``AmbiguousItemError`` with the list of matches if several
        titles do.
        """
        index = self.vocab.index(text)
        if index >= 0:
            return index
        matches = self._matches(text)
        wanted = text.strip().casefold()
        for whole in (str.strip, lambda title: _BEHIND.sub("", title).strip()):
            exact = [i for i in matches if whole(self._folded[i]) == wanted]
            if exact:
                break
        if len(exact) == 1:
            return exact[0]
        if not matches:
            raise UnknownItemError(f"no item has the id {text!r}, and no title contains it")
        if len(matches) > 1:
            found = [(self.vocab.ids[i], str(self.titles[i])) for i in matches]
            raise AmbiguousItemError(f"{len(matches)} titles contain {text!r}: give an id, or more of the title", found)
        return matches[0]

    def frame(self) -> pl.DataFrame:
        """Everything as one polars table, one row per item in index order; column ``item`` holds the ids."""
        import polars as pl

        table: dict[str, Any] = {"item": pl.Series(self.vocab.ids, dtype=pl.String)}
        table["title"] = pl.Series(self.titles, dtype=pl.String)
        for name, column in self.attributes.items():
            table[name] = pl.Series(column, strict=False)
        if self.domains is not None:
            table["domain"] = pl.Series(self.domains, dtype=pl.String)
        if self.available is not None:
            table["available"] = pl.Series(self.available)
        if self.vectors is not None:
            vectors = np.ascontiguousarray(self.vectors, dtype=np.float32)
            table["vector"] = pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))
        return pl.DataFrame(table)
