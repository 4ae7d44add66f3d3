"""Generate ``docs/defaults.md`` from the trials: how a model's defaults do on sets that did not choose them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.defaults import CASES, DRAWS, IN_ORDER, METRIC, MODELS, SEED, SETS, SHIPPED, Place, grid, places
from bench.peers import ROOT
from bench.report import table

PAGE = ROOT / "docs" / "defaults.md"
MEDIAN, WORST = 0.95, 0.85  # target shares of the tuned value

HEAD = """\
# How good the defaults are

`python -m bench defaults` generates this page from `bench/results/defaults/`. Do not edit it by hand.

A good default does well on data that nobody looked at when it was chosen. This page measures that:

- The same parameters are tried on {sets} sets: {draws} random draws from the space that a model declares (seed {seed}),
  the former default, and some proposals. `bench/grids/MODEL.json` lists them.
- *Tuned* is, for each set, the draw that is best on its validation part.
- *The default that the others choose* is the candidate with the best mean over the validation parts of all other sets,
  each relative to its best draw. Test parts have no influence on it.
- Both are measured on the test part of the set. The tables show what share of the tuned {metric} the default reaches.
- A trial is fitted once, without the validation rows. Large sets are represented by a seeded sample of their users, and
  by the items that enough of these have. At most {cases:,} cases of each part are used.

Over all models and sets the defaults reach {median:.1%} of tuned in the median and {worst:.1%} at worst. More than
100 % is possible, because tuning chooses on the validation part too. The shipped default is the choice of all sets
together, or an earlier choice within half a per cent of that on the validation parts.

Where the default is `auto`, `fit` estimates the value from the training data and reports it:

- `half_life`, where the log has an order: the half-life with which the cosine with earlier events best predicts the
  last events of training histories.
- `reg` of ease, sparse-ease and als, `unobserved` of als and `factors` of pure-svd: a few values are tried on a sample
  of at most 100,000 training events over 2,000 items. Some events are held back, and the value that predicts them best
  is taken.
- `candidate_exponent` of item-knn and `beta` of rp3beta: a + b log10(events per item / 8), between 0 and 1. a and b are
  0.2 and 0.35 for item-knn, 0.1 and 0.4 for rp3beta. Where items have many events, popular items say less.

The numbers of these formulas, and the values that are tried, were found on these sets. Leaving out one set does not
leave out its part in them.

The proposals:

- als: every pair of 64, 96, 128, 192, 256 and 384 factors with a `reg_exponent` of 1 and of 0.8, the rest estimated,
  after twelve fixed pairs of `reg` and `unobserved`. The previous 192 factors were chosen with the test columns of this
  page in view. The present ones are what the rule above took from all of these; nine of them were written down before
  any was tried.
- transitions: a grid too, tried once after its median under this rule was 0.947, and it stayed there.
  `distance_exponent` 0.3, 0.5 and 0.7, `backward` 0.6, 0.8 and 1, `history_exponent` 0.15, 0.25 and 0.35,
  `candidate_exponent` 0, 0.1 and 0.2.

The column *draws* says how many of the {draws} draws have been tried on every set. `python -m bench defaults` continues
an interrupted study.
"""


@dataclass(frozen=True, eq=False)
class Study:
    """The trials of a model on all its sets: rows are sets, columns are the candidates tried on all of them."""

    model: str
    sets: list[str]
    numbers: list[int]
    valid: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, model: str) -> Study:
        """Load the trials of a model."""
        tried = {p.set_name: {t["trial"]: t for t in p.read()["trials"]} for p in places(models=[model])}
        numbers = sorted(set.intersection(*(set(trials) for trials in tried.values())))
        values = [
            np.array([[trials[n][part] or 0.0 for n in numbers] for trials in tried.values()])
            for part in ("valid", "test")
        ]
        return cls(model, list(tried), numbers, *values)

    @property
    def drawn(self) -> np.ndarray:
        """The columns of the original defaults and the random draws."""
        return np.flatnonzero(np.array(self.numbers) <= DRAWS)

    def relative(self) -> np.ndarray:
        """Validation values, each relative to the best draw of its set."""
        return np.asarray(self.valid / self.valid[:, self.drawn].max(axis=1, keepdims=True))

    def tuned(self, s: int) -> int:
        """The column that is best on the validation part of a set."""
        return int(self.drawn[np.argmax(self.valid[s, self.drawn])])

    def without(self, s: int | None) -> int:
        """The column with the best mean over all sets except one."""
        others = [o for o in range(len(self.sets)) if o != s]
        return int(np.argmax(self.relative()[others].mean(axis=0)))

    def ratios(self) -> list[float]:
        """For each set, the test value of the default chosen by the other sets, relative to the tuned one."""
        return [
            float(self.test[s, self.without(s)] / self.test[s, self.tuned(s)]) for s in range(len(self.sets))
        ]  # fmt: skip


def write() -> Path:
    """Write the page."""
    PAGE.write_text(page())
    return PAGE


def page() -> str:
    """Return the page as text."""
    studies = [Study.of(model) for model in MODELS]
    return "\n".join([_head(studies), _overview(studies), _sets(), *map(_model, studies)])


def _head(studies: list[Study]) -> str:
    ratios = [ratio for study in studies for ratio in study.ratios()]
    return HEAD.format(
        sets=len(SETS), draws=DRAWS, seed=SEED, metric=METRIC, cases=CASES, median=median(ratios), worst=min(ratios)
    )


def _overview(studies: list[Study]) -> str:
    rows = []
    for study in studies:
        ratios = study.ratios()
        kept = "met" if median(ratios) >= MEDIAN and min(ratios) >= WORST else "missed"
        kept += " so far" if len(study.drawn) <= DRAWS else ""
        rows.append((
            f"`{study.model}`", str(len(study.sets)), str(len(study.drawn) - 1), f"{median(ratios):.3f}",
            f"{min(ratios):.3f} ({study.sets[int(np.argmin(ratios))]})", kept, f"{_before(study):.3f}",
            _said(study.model, SHIPPED[study.model]),
        ))  # fmt: skip
    goal = f"at least {MEDIAN:.2f} and {WORST:.2f}"
    return table(("model", "sets", "draws", "median", "worst", goal, "median before", "shipped"), rows)


def _before(study: Study) -> float:
    """The median ratio to the tuned value for the defaults at the start of the study."""
    return median(float(study.test[s, 0] / study.test[s, study.tuned(s)]) for s in range(len(study.sets)))


def _said(model: str, number: int) -> str:
    """The parameters of a candidate that have a search space, in command-line form."""
    from penchant.models.registry import model_class
    from penchant.training.tune import search_spaces

    params = grid(model)[number]
    spaces = [
        name for name in search_spaces(model_class(model)) if not name.startswith(("rating_", "user_d", "item_d"))
    ]
    words = {name: "none" if params[name] is None else params[name] for name in spaces}
    return ", ".join(f"`{name}={word}`" for name, word in words.items() if word not in (0, "off"))


def _sets() -> str:
    rows = []
    for name, studied in SETS.items():
        sample: dict[str, Any] = Place(name, MODELS[0]).read().get("sample", {})
        if sample:
            sizes = (f"{sample[key]:,}" for key in ("users", "items", "events", "valid", "test"))
            rows.append((name, f"`{studied.split}`", "yes" if studied.ordered else "no", *sizes))
    text = f"## The sets\n\nWithout an order there is no {', '.join(IN_ORDER)}.\n\n"
    return text + table(("set", "split", "in order", "users", "items", "events", "validation", "test"), rows)


def _model(study: Study) -> str:
    shipped = study.numbers.index(SHIPPED[study.model]) if SHIPPED[study.model] in study.numbers else None

    def rows() -> Iterator[tuple[str, ...]]:
        for s, name in enumerate(study.sets):
            tuned, chosen = study.tuned(s), study.without(s)
            of = study.test[s] / study.test[s, tuned]
            yield (
                name, f"{study.test[s, tuned]:.4f}", f"{study.test[s, chosen]:.4f}", f"{of[chosen]:.3f}",
                str(study.numbers[tuned]), str(study.numbers[chosen]), "-" if shipped is None else f"{of[shipped]:.3f}",
            )  # fmt: skip

    head = ("set", "tuned", "default of the others", "ratio", "draw", "candidate", "ratio of the shipped")
    text = f"## {study.model}\n\n{len(study.numbers)} candidates. Values are {METRIC} on the test part.\n\n"
    return text + table(head, rows())
