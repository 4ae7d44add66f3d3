"""Train by itself: read, judge, refit, check, and activate a model that is not worse than the active one.

Everything that is written before the last transaction is a hidden folder or a new name, and that transaction holds the
lease: killed anywhere, the active model stays, and the next run goes on from what was fitted.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import penchant
from penchant.core.memory import budget, limited
from penchant.core.run import Run
from penchant.errors import DataError, ParameterError
from penchant.evaluation.measure import Metric, parse_metric
from penchant.evaluation.report import Evaluation
from penchant.models.kinds.base import Model
from penchant.models.kinds.updatable import Updatable
from penchant.models.registry import to_json
from penchant.recommender.folder.listing import saved_in
from penchant.recommender.folder.load import verify
from penchant.recommender.folder.manifest import MANIFEST
from penchant.recommender.indexing import check_can_have_index
from penchant.recommender.recommender import Recommender, load
from penchant.store.events import EventStore
from penchant.store.lease import Lease
from penchant.store.trainings import ACTIVATED, REFUSED, ROLLED_BACK, UNCLEAR, Training, Trainings
from penchant.training.estimates import seconds
from penchant.training.fit import fit
from penchant.training.loop.data import read_data
from penchant.training.loop.judge import Contender, Judgement, contenders, judge, recipe_of, results, shape_of
from penchant.training.loop.outcome import PLANNED, UNCHANGED, Outcome
from penchant.training.loop.sanity import checks, fallen
from penchant.training.loop.settings import TrainSettings
from penchant.training.loop.stages import Stages, prune, remove

LEASE = "train"
DEFAULT_RUN = Run()


@dataclass(frozen=True, eq=False)
class Live:
    """The active model when a training began; ``name`` is empty where there is none."""

    name: str = ""
    recommender: Recommender | None = None


def train(
    settings: TrainSettings,
    root: str | Path,
    store: EventStore,
    *,
    active: str = "",
    allow_remembered: bool = False,
    dry_run: bool = False,
    update: bool = False,
    run: Run = DEFAULT_RUN,
    moment: Callable[[], float] = time.time,
    tell: Callable[[str], None] = lambda _: None,
    encoder: Callable[[list[str]], Any] | None = None,
) -> Outcome:
    """Train once on the sources of ``settings``, and activate the result in an open ``store`` if the gate lets it pass.

    ``root`` is the folder of models; ``active`` names the model to compare with where none was ever active. ``dry_run``
    reads the data and says what would be done; it fits and writes nothing. Models that keep training histories are not
    chosen unless ``allow_remembered``. ``update`` fits the active recipe again on all data without judging, if it has
    exact updates: the result equals an update with every event since. ``tell`` is called with each step in words, and
    ``encoder`` is the operator's function that turned item texts into vectors.
    Raises ``BusyLeaseError`` if another process trains, ``DataError`` for data that cannot be judged on, and
    ``OSError`` or ``StoreError`` where a disk is full; the active model stays in any case.
    """
    settings.check()
    root = Path(root).absolute()
    if (root / MANIFEST).is_file():
        raise ParameterError(f'{root} is one saved recommender: training needs a folder of them (folder = "models")')
    with limited(settings.memory or budget()):
        if dry_run:
            return _Training(settings, root, store, active, allow_remembered, run, moment, tell, encoder).plan()
        with Lease(store, LEASE, moment=moment) as lease:
            one = _Training(settings, root, store, active, allow_remembered, run, moment, tell, encoder)
            return one.update(lease) if update else one.go(lease)


class _Training:
    """One training, step by step."""

    def __init__(
        self, settings: TrainSettings, root: Path, store: EventStore, active: str, allow_remembered: bool, run: Run,
        moment: Callable[[], float], tell: Callable[[str], None], encoder: Callable[[list[str]], Any] | None,
    ) -> None:  # fmt: skip
        self.settings, self.root, self.moment, self.tell = settings, root, moment, tell
        self.run = replace(run, seed=settings.seed, threads=settings.threads)
        self.metric: Metric = parse_metric(settings.metric)
        self.allow_remembered = allow_remembered
        self.trainings = Trainings(store)
        self.past = self.trainings.lately()
        self.live = self._live(active, encoder)
        tell("reading the log")
        url = store.database.url.render_as_string(hide_password=False)
        self.data = read_data(settings, self.metric, store=url, live=self.live.recommender, moment=moment)
        active_model = None if self.live.recommender is None else self.live.recommender.model
        unfitted = None if active_model is None else type(active_model)(**active_model.params())
        self.found = self._barred(contenders(settings, self.data, self.metric, unfitted))
        self.key = self._key()

    def _live(self, active: str, encoder: Callable[[list[str]], Any] | None) -> Live:
        """The active model: the last that was activated, else the named one, else the only one there is."""
        there, activated = saved_in(self.root), self.trainings.wanted()
        name = next((name for name in activated if name in there), "")
        if not name and activated:
            raise DataError(
                f"the active model {activated[0]!r} is not in {self.root}", fix="Put it back, or activate another."
            )
        if not name:
            others = {*there} - {one.name for one in self.past}  # a model that was refused is not one to compare with
            name = active or (others.pop() if len(others) == 1 else "")
        if name and name not in there:
            raise ParameterError(f"active: there is no model {name[:80]!r} in {self.root}")
        return Live(name, load(there[name], encoder=encoder)) if name else Live()

    def _barred(self, found: Sequence[Contender]) -> list[Contender]:
        """The contenders; those that were rolled back on this data before, or may not be served, cannot be chosen."""
        back = {
            one.recipe: one for one in self.past if one.outcome == ROLLED_BACK and one.data == self.data.fingerprint
        }
        out = []
        for one in found:
            why = f"{back[one.recipe].name} was rolled back on this data" if one.recipe in back else ""
            if not self.allow_remembered and one.model.remembers_users:
                why = "it keeps training histories, and is served only with allow_remembered"
            out.append(replace(one, excluded=why))
        return out

    def _key(self) -> str:
        """SHA-256 of settings and data, on which every stage depends."""
        barred = [one.recipe for one in self.found if one.excluded]
        told = [penchant.__version__, self.settings.to_json(), self.data.fingerprint, barred]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    # -- without writing ------------------------------------------------------------------------------------------

    def plan(self) -> Outcome:
        """What would be done."""
        shape = shape_of(self.data)
        models = [
            {"label": one.label, **to_json(one.model), "reference": one.reference,
             "seconds": round(seconds(one.model, shape, len(self.data.split)), 1)}
            for one in self.found
        ]  # fmt: skip
        document = {**self._facts(), "models": models, "dry_run": True}
        return Outcome(PLANNED, "nothing was fitted or written", document)

    def _facts(self) -> dict[str, Any]:
        return {
            "metric": str(self.metric), "data": self.data.to_json(), "warnings": self._warnings(),
            "compared_with": self.live.name or None, "key": self.key, "min_cases": self.settings.gate.min_cases,
            "margin": self.settings.gate.margin,
        }  # fmt: skip

    def _warnings(self) -> list[str]:
        """Settings with which no model can ever pass, on this log."""
        gate, out = self.settings.gate, []
        if not self.data.log.sessions and self.data.log.n_users < gate.min_cases:
            out.append(
                f"the gate can never pass: min_cases is {gate.min_cases:,}, and the log has {self.data.log.n_users:,} "
                "people, each of whom is one case at most"
            )
        elif self.data.cases < gate.min_cases:
            out.append(
                f"the gate cannot pass now: the held-out part has {self.data.cases:,} cases, min_cases is "
                f"{gate.min_cases:,}; hold out more (holdout) or ask for fewer"
            )
        if gate.margin < 0:
            out.append("margin is below 0: the active recipe itself can never pass, only one that is better by so much")
        if gate.max_answer_ms == 0:
            out.append("the gate can never pass: max_answer_ms is 0")
        return out

    # -- the steps ------------------------------------------------------------------------------------------------

    def go(self, lease: Lease) -> Outcome:
        """Judge, refit, check, record; returns what became of it."""
        if (same := self._before()) is not None:
            return same
        stages = Stages(self.root, self.key)
        stamp = stages.begin(self._stamp(), {one.name for one in self.past})
        judgement = judge(self.settings, self.data, self.found, self.metric, stages, run=self.run, tell=self.tell)
        fall = self._fall(judgement)
        document = {**self._facts(), "models": [one.to_json() for one in judgement.standings], "checks": fall}
        winner = judgement.winner
        document["winner"] = None if winner is None else winner.contender.label
        if winner is None:
            outcome = UNCLEAR if judgement.passed is None else REFUSED
            return self._end(Outcome(outcome, judgement.why, document), "", "", "", stages, lease)
        name = stamp + type(winner.contender.model).name
        folder = self._refit(winner.contender, name, stages)
        version, found = self._checked(folder, winner.contender)
        document["checks"] = [*fall, *found]
        bad = [one["what"] for one in document["checks"] if not one["passed"]]
        why = judgement.why if not judgement.passed else "; ".join(bad) or judgement.why
        outcome = UNCLEAR if judgement.passed is None else ACTIVATED if judgement.passed and not bad else REFUSED
        ended = Outcome(outcome, why, {**document, "name": name})
        stages.publish(name, self._evaluation(judgement, ended))
        return self._end(ended, name, winner.contender.recipe, version, stages, lease)

    def update(self, lease: Lease) -> Outcome:
        """Fit the active recipe again on all data, check it, record it."""
        live, chosen = self.live.recommender, self.found[0]
        if live is None or not isinstance(live.model, Updatable):
            what = "no model is active" if live is None else f"{chosen.label} has no exact update"
            return Outcome(UNCHANGED, f"{what}: the next training brings it up to date", self._facts())
        self.key = hashlib.sha256(f"update\0{self.key}\0{chosen.recipe}".encode()).hexdigest()
        if (same := self._before()) is not None:
            return same
        if any(one.data == self.data.fingerprint and one.name == self.live.name for one in self.past):
            return Outcome(UNCHANGED, "the active model was fitted on this data", self._facts())
        stages = Stages(self.root, self.key)
        name = stages.begin(self._stamp(), {one.name for one in self.past}) + type(live.model).name
        folder = self._refit(chosen, name, stages)
        version, found = self._checked(folder, chosen)
        bad = [one["what"] for one in found if not one["passed"]]
        document = {**self._facts(), "models": [], "winner": None, "checks": found, "name": name, "update": True}
        why = "; ".join(bad) or f"{chosen.label} is up to date with all events"
        ended = Outcome(REFUSED if bad else ACTIVATED, why, document)
        stages.publish(name, {"training": ended.to_json()})
        return self._end(ended, name, chosen.recipe, version, stages, lease)

    def _before(self) -> Outcome | None:
        """*Unchanged*, if this was done before and its model, or the one it was compared with, is active; else None."""
        same = next((one for one in self.past if one.key == self.key), None)
        if same is None or self.live.name not in {same.name, same.document["compared_with"] or ""}:
            return None
        when = datetime.fromtimestamp(same.time, UTC).isoformat(timespec="minutes")
        why = f"data and settings are those of {when}, when the outcome was: {same.outcome}"
        return Outcome(UNCHANGED, why, {**self._facts(), "name": same.name or None})

    def _checked(self, folder: Path, chosen: Contender) -> tuple[str, list[dict[str, Any]]]:
        """The version of a refitted model, and its checks."""
        fresh, live = load(folder), self.live.recommender
        found = checks(
            fresh, folder, live, self.data.log, self.settings.gate, same_recipe=chosen is self.found[0] and bool(live),
            seed=self.settings.seed,
        )  # fmt: skip
        return fresh.version, [one.to_json() for one in found]

    def _stamp(self) -> str:
        """How the name of the model begins: with the time in UTC, and a number where a clock went back."""
        stamp, number = datetime.fromtimestamp(self.moment(), UTC).strftime("%Y%m%dT%H%M%SZ"), 1
        taken = {*saved_in(self.root), *(one.name for one in self.past)}
        while any(one.startswith(f"{stamp}-{number}-" if number > 1 else f"{stamp}-") for one in taken):
            number += 1
        return f"{stamp}-{number}-" if number > 1 else f"{stamp}-"

    def _fall(self, judgement: Judgement) -> list[dict[str, Any]]:
        """The metric of the active recipe beside what it was when the last model was activated."""
        now, label = judgement.reference.value.mean, judgement.reference.contender.label
        for one in self.past:
            told = one.document
            if one.outcome != ACTIVATED or told.get("metric") != str(self.metric) or told.get("update"):
                continue
            before = next((m["value"]["mean"] for m in told["models"] if m["label"] == label and "value" in m), None)
            if before is None or now is None:
                return []
            gate = self.settings.gate
            return [fallen(now, before, gate, lower_is_better=self.metric.lower_is_better).to_json()]
        return []

    def _refit(self, chosen: Contender, name: str, stages: Stages) -> Path:
        """The winner fitted on everything and saved; of an earlier run where it was saved to the end."""
        for folder in (self.root / name, stages.refitted):
            if (folder / MANIFEST).is_file() and recipe_of(load(folder).model) != chosen.recipe:
                remove(folder)  # another model was active when it was fitted, and another recipe won
            if (folder / MANIFEST).is_file():
                verify(folder)
                self.tell(f"{chosen.label}: fitted on everything before")
                return folder
        self.tell(f"{chosen.label}: fitting on everything")
        model, no_index = replace(chosen.model), ""
        if self.settings.index:
            try:
                check_can_have_index(model)
            except ParameterError as wrong:
                no_index = str(wrong)
        index = self.settings.index and not no_index
        fresh = fit(
            self.data.log, model, catalog=self.data.catalog, run=self.run, index=index, encoder=self.data.text,
            infer=self._inferred(model),
        )  # fmt: skip
        if no_index:
            fresh.fitted_on["notes"].append(no_index)
        if self.settings.index:
            self.tell(fresh.fitted_on["notes"][-1])
        fresh.save(stages.refitted)
        verify(stages.refitted)
        return stages.refitted

    def _inferred(self, model: Model) -> str | None:
        """The context that the active model infers from sessions, if a model can."""
        live = self.live.recommender
        if live is None or live.moods is None or not model.uses_context:
            return None
        names, column = list(live.recipe.contexts), live.moods.column
        name = names[column] if column < len(names) else None
        return name if name in self.data.log.recipe.contexts else None

    def _evaluation(self, judgement: Judgement, ended: Outcome) -> dict[str, Any]:
        """The document beside the saved model, as ``penchant evaluate --json`` writes it, with the training."""
        split, warm = self.data.split, self.data.split.warm
        n_warm = len(split) if warm is None else int(warm.sum())
        measured = Evaluation(
            f"holdout {self.settings.holdout}", len(split), n_warm, len(split) - n_warm, 0.0, split.repeat,
            results(judgement, self.metric), self.metric, seed=self.settings.seed,
        )  # fmt: skip
        return {**measured.to_json(), "training": ended.to_json()}

    def _end(self, ended: Outcome, name: str, recipe: str, version: str, stages: Stages, lease: Lease) -> Outcome:
        """Record the outcome, activate what passed, and remove what is not needed any more."""
        recipe = recipe or recipe_of(self.found[0].model)
        row = Training(
            0, int(self.moment()), name, ended.outcome, self.key, self.data.fingerprint, recipe, ended.to_json()
        )  # fmt: skip
        self.trainings.note(row, version, lease)
        stages.end()
        needed = self.trainings.active.names()
        written = [name, *(one.name for one in self.past)]
        prune(self.root, written, self.settings.keep, [*dict.fromkeys(needed)][:2])
        return ended
