"""What a training has done so far, kept in a hidden folder beside the models, so that a killed one goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from penchant.core.outputs import replacing_file
from penchant.errors import PenchantError
from penchant.evaluation.measure import Measured
from penchant.recommender.folder import tensors
from penchant.recommender.folder.listing import evaluation_of, saved_in
from penchant.recommender.folder.manifest import MANIFEST
from penchant.training.attempts import Attempt

WORK, PLAN = ".training", "plan.json"


class Stages:
    """The folder ``root/.training/KEY`` of one training; other keys are of trainings that cannot go on any more."""

    def __init__(self, root: Path, key: str) -> None:
        self.root, self.key = root, key
        self.folder = root / WORK / key[:16]

    def begin(self, stamp: str, recorded: Iterable[str]) -> str:
        """How the name of the model will begin: as in the interrupted training, else with ``stamp``.

        Removes what other trainings left: their stages, and models that were never recorded.
        """
        for other in (self.root / WORK).glob("*"):
            if other != self.folder:
                self._drop(other, {*recorded})
        try:
            held = json.loads((self.folder / PLAN).read_bytes())
            if held["key"] == self.key:
                return str(held["stamp"])
        except (OSError, ValueError, KeyError, TypeError):
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        with replacing_file(self.folder / PLAN) as fresh:
            fresh.write_text(json.dumps({"key": self.key, "stamp": stamp}), encoding="utf-8")
        return stamp

    def end(self) -> None:
        """Remove the stages of a training that was recorded."""
        shutil.rmtree(self.root / WORK, ignore_errors=True)

    def _drop(self, other: Path, recorded: set[str]) -> None:
        try:
            stamp = str(json.loads((other / PLAN).read_bytes())["stamp"])
        except (OSError, ValueError, KeyError, TypeError):
            stamp = ""
        for name in saved_in(self.root):
            if stamp and name.startswith(stamp) and name not in recorded:
                remove(self.root / name)
        shutil.rmtree(other, ignore_errors=True)

    # -- judged models --------------------------------------------------------------------------------------------

    def attempt(self, recipe: str, name: str, cases: int) -> Attempt | None:
        """What was measured of a recipe before; None if it was not, or if it was not written to the end."""
        try:
            held = tensors.read(self._place(recipe))
            sums, counts, took = (np.array(held[part]) for part in ("sums", "counts", "took"))
        except (OSError, KeyError, ValueError, PenchantError):
            return None
        if sums.shape != (cases, 1) or counts.shape != (cases, 1):
            return None
        measured = Measured(sums, counts, {}, np.zeros(0, np.bool_))
        return Attempt(name, [measured], float(took[0]), float(took[1]))

    def keep(self, recipe: str, attempt: Attempt) -> None:
        """Keep what was measured of a recipe."""
        (measured,) = attempt.measured
        took = np.array([attempt.fit_seconds, attempt.answer_ms])
        with replacing_file(self._place(recipe)) as fresh:
            tensors.write(fresh, {"sums": measured.sums, "counts": measured.counts, "took": took})

    def _place(self, recipe: str) -> Path:
        return self.folder / f"{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.judged"

    # -- the saved model ------------------------------------------------------------------------------------------

    @property
    def refitted(self) -> Path:
        """The folder of the winner, fitted on everything, until it gets its name."""
        return self.folder / "model"

    def publish(self, name: str, evaluation: dict[str, Any]) -> Path:
        """Give the refitted model its name among the models, with its evaluation; again after a kill in between."""
        place = self.root / name
        with replacing_file(evaluation_of(place)) as fresh:
            fresh.write_text(json.dumps(evaluation, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        if not place.exists():
            self.refitted.rename(place)
        return place


def prune(root: Path, written: Iterable[str], keep: int, needed: Iterable[str]) -> list[str]:
    """Remove all but the newest ``keep`` of the models that trainings wrote (newest first); never ``needed`` ones."""
    there = [name for name in dict.fromkeys(written) if name and (root / name / MANIFEST).is_file()]
    gone = [name for name in there[keep:] if name not in {*needed}]
    for name in gone:
        remove(root / name)
    return gone


def remove(model: Path) -> None:
    """Remove a saved recommender and its evaluation."""
    shutil.rmtree(model, ignore_errors=True)
    evaluation_of(model).unlink(missing_ok=True)
