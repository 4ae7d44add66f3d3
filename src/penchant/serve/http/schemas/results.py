"""Results: what came of the lists that were shown."""

from __future__ import annotations

from pydantic import Field

from penchant.serve.http.schemas.fields import Response


class Share(Response):
    """A share with its 95 % interval."""

    mean: float
    low: float
    high: float


class Outcomes(Response):
    """Counts of lists and items; each shown item counts once in each."""

    lists: int
    shown: int = Field(description="items in the lists")
    seen: int = Field(description="shown items with an impression event")
    clicked: int = Field(description="shown items with an event whose kind weighs more than 0")
    bought: int = Field(description="shown items with an event of a kind in the setting purchases")
    click_through: Share | None = Field(description="clicked of shown; null if nothing was shown")
    bought_share: Share | None = Field(description="bought of shown")
    fallback_share: float | None = Field(description="lists for which the model knew nothing")
    items: int = Field(description="different items")
    coverage: float | None = Field(description="different items of those in the catalogue")


class PlacementOutcomes(Outcomes):
    """Those of one placement."""

    placement: str


class ModelOutcomes(Outcomes):
    """Those of one version of a model."""

    model: str


class DayOutcomes(Outcomes):
    """Those of one day."""

    day: str = Field(description="in UTC")


class WithoutConsent(Response):
    """What is left out of all counts, because people did not agree that it is learned from."""

    lists: int = Field(description="page by page")
    events: int


class ShownOutcomes(Response):
    """What came of the lists of the last days."""

    since: str
    days_counted: int
    attribution_seconds: int
    exposures: bool = Field(description="whether lists are written down")
    total: Outcomes
    without_consent: WithoutConsent
    placements: list[PlacementOutcomes]
    models: list[ModelOutcomes]
    days: list[DayOutcomes]
