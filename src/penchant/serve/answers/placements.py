"""The placements that a service knows: those of its file, and those set over HTTP, which win."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penchant.core.histories import Bools, Floats
from penchant.data.conditions import nearest
from penchant.data.item_values import Column
from penchant.errors import ParameterError
from penchant.placements.compiled import Compiled, compile_placement
from penchant.placements.placement import ACTIVE, Placement
from penchant.placements.reading import check_names, read_placement, read_placements
from penchant.serve.answers.models import Models, ServedModel
from penchant.serve.common.problems import Problem, invalid
from penchant.store.placements import StoredPlacement, StoredPlacements

FILE, HTTP = "file", "http"


class LiveShelf:
    """The live catalogue as rules see it."""

    def __init__(self, served: ServedModel) -> None:
        self.served, self.catalogue, self.n = served, served.catalogue, len(served.catalogue)

    def __len__(self) -> int:
        return self.n

    def column(self, attribute: str) -> Column | None:
        """The values of an attribute; None if no item has it."""
        return self.catalogue.column(attribute)

    def domain_column(self) -> Column:
        """The domains of the items."""
        return self.catalogue.domain_column()

    def availability(self) -> Bools:
        """Which items are available."""
        return self.catalogue.availability()

    def position(self, item_id: object) -> int:
        """The position of an id; -1 if there is none."""
        return self.catalogue.vocab.index(item_id)

    def vectors(self) -> Floats | None:
        """None: similarity is that of attributes, which new items have too."""
        return None

    def names(self) -> list[str]:
        """The names of all attributes."""
        return list(self.catalogue.attributes)


class Placements:
    """By name, from the file and from the store. Compiled rules are kept until the catalogue changes."""

    def __init__(self, file: str, stored: StoredPlacements, models: Models) -> None:
        self.stored, self.models = stored, models
        self.file: dict[str, Placement] = read_placements(file) if file else {}
        self.http: dict[str, tuple[Placement, StoredPlacement]] = {}
        self._seen = -1

    def open(self) -> None:
        """Read the store, and check the names in the file. Raises ``ParameterError`` for a name that nobody knows."""
        for one in self.file.values():
            self.check(one)
        self.refresh()

    def refresh(self) -> None:
        """Read what other processes have set."""
        count = self.stored.count()
        if count != self._seen:
            newest = self.stored.newest().values()
            self.http = {
                one.name: (read_placement(one.name, one.document), one) for one in newest if one.document is not None
            }
            self._seen = count

    def check(self, placement: Placement) -> None:
        """Raises ``ParameterError`` for an attribute or a model that nobody knows."""
        served = self.models.active
        check_names(placement, served.catalogue.attributes, [ACTIVE, *self.models.folders()])

    def of(self, name: str) -> Placement:
        """The placement of a name; raises ``Problem`` 404 with the nearest one."""
        found = self.http.get(name)
        one = found[0] if found is not None else self.file.get(name)
        if one is None:
            known = sorted({*self.file, *self.http})
            near = nearest(name, known)
            raise Problem(404, f"there is no placement {name[:80]!r}{near}", field="name")
        return one

    async def set(self, name: str, document: Mapping[str, Any]) -> int:
        """Set a placement over the file; returns its version. Raises ``Problem`` 422 that names a mistake."""
        try:
            self.check(read_placement(name, document))
        except ParameterError as wrong:
            raise invalid("placement", str(wrong)) from None
        version = await self.stored.set(name, document)
        self.refresh()
        return version

    async def remove(self, name: str) -> int:
        """Take back what was set; the file counts again. Raises ``Problem`` 404 where nothing was set."""
        if name not in self.http:
            raise Problem(404, f"nothing was set for a placement {name[:80]!r} over HTTP", field="name")
        version = await self.stored.set(name, None)
        self.refresh()
        return version

    def listed(self) -> list[dict[str, Any]]:
        """Every placement with its origin; where both exist, the one of the file says that it does not count."""
        found: list[dict[str, Any]] = [
            {"name": name, "origin": FILE, "version": None, "set": None, "counts": name not in self.http,
             "placement": dict(one.document)}
            for name, one in self.file.items()
        ]  # fmt: skip
        found += [
            {"name": name, "origin": HTTP, "version": kept.version, "set": kept.time, "counts": True,
             "placement": dict(one.document)}
            for name, (one, kept) in self.http.items()
        ]  # fmt: skip
        return sorted(found, key=lambda one: (one["name"], one["origin"]))

    def compiled(self, placement: Placement, served: ServedModel) -> Compiled:
        """The rules over the live catalogue."""
        return served.catalogue.derive(
            f"placement {placement.name} {placement!r}", lambda: compile_placement(placement, LiveShelf(served))
        )
