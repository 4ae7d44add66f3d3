"""What became of a training, as one document and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penchant.store.trainings import ACTIVATED, REFUSED, UNCLEAR

PLANNED, UNCHANGED = "planned", "unchanged"
CODES = {ACTIVATED: 0, PLANNED: 0, UNCHANGED: 0, REFUSED: 3, UNCLEAR: 4}  # exit codes
BUSY = 5  # another process trains


@dataclass(frozen=True)
class Outcome:
    """The outcome of a training. ``document`` is what is stored and shown; see ``docs/training.md``."""

    outcome: str
    why: str
    document: dict[str, Any]

    @property
    def code(self) -> int:
        """The exit code of the command line."""
        return CODES[self.outcome]

    def to_json(self) -> dict[str, Any]:
        return {"outcome": self.outcome, "why": self.why, **self.document}

    def lines(self) -> list[str]:
        """The outcome in words, a line each."""
        told, out = self.document, []
        data = told.get("data")
        if data:
            out.append(
                f"{data['events']:,} events of {data['histories']:,} histories over {data['items']:,} items, "
                f"{data['from'][:10]} to {data['to'][:10]}; held out from {data['held_out_from'][:16]}: "
                f"{data['cases']:,} cases"
            )
            out += [f"  {note}" for note in data["notes"]]
        out += [f"warning: {warning}" for warning in told.get("warnings", ())]
        base = "active recipe" if told.get("compared_with") else "baseline"
        out += [_standing(one, told["metric"], told.get("winner"), base) for one in told.get("models", ())]
        out += [
            f"{'ok' if one['passed'] else 'REFUSED'}: {one['name']}: {one['what']}" for one in told.get("checks", ())
        ]
        name = f" ({told['name']})" if told.get("name") else ""
        return [*out, f"{self.outcome}{name}: {self.why}"]


def _standing(one: dict[str, Any], metric: str, winner: str | None, base: str) -> str:
    mark = "★" if one["label"] == winner else " "
    label = one["label"] + (f" ({base})" if one["reference"] else "")
    if one.get("error"):
        return f"{mark} {label}: {one['error']}"
    if "value" not in one:
        return f"{mark} {label}: about {one['seconds']:.0f} s"
    value, apart = one["value"], one["difference"]
    if value["mean"] is None:
        return f"{mark} {label}: no value"
    against = "" if one["reference"] else f", {apart['mean']:+.4f} [{apart['low']:+.4f}, {apart['high']:+.4f}]"
    barred = f"; {one['excluded']}" if one.get("excluded") else ""
    return f"{mark} {label}: {metric} {value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]{against}{barred}"
