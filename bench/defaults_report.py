"""``docs/defaults.md``, generated from the trials: what the defaults of a model reach on a set they know nothing of."""

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
MEDIAN, WORST = 0.95, 0.85  # what the defaults should reach of tuned parameters

HEAD = """\
# How good the defaults are

This page is generated from `bench/results/defaults/` by `python -m bench defaults`; nothing in it is written by hand.

A default is worth something if it does well on data that nobody looked at when it was chosen. So the same parameters
are tried on {sets} sets: {draws} random draws from the space that a model declares (seed {seed}), what was the default
before, and some proposals; `bench/grids/MODEL.json` lists them. *Tuned* is, for each set, the best of the draws on its
validation part. *The default that the others choose* is the candidate with the best mean over the validation parts of
all other sets, each in units of its best draw: no test part has a say in it. Both are measured on the test part of the
set, and the tables show how much of the tuned {metric} the default reaches. A trial is fitted once, without the
validation rows. Large sets are studied on a seeded sample of their users, and on the items that enough of those have;
at most {cases:,} cases of each part are asked.

Over all models and sets the defaults reach {median:.1%} of tuned in the median and {worst:.1%} at worst (more than
100 % is possible: tuning is a choice on the validation part too). What is shipped is what all sets together choose,
or an earlier choice that comes within half a per cent of that on the validation parts.

Some defaults are formulas of the data, and `fit` says what they came to. A half-life of -1 is estimated from the
training histories, where the log has an order: with which half-life does the cosine with what came before foretell
their own last events best? The `reg` of ease, sparse-ease and als, the `unobserved` of als and the `factors` of
pure-svd are estimated too where they are -1: a few values are tried on a sample of at most 100,000 training events
over 2,000 items, some of which are held back, and the one that foretells these best is taken. An exponent of -1 is a +
b log10(events an item / 8), between 0 and 1, where a and b are .2 and .35 for item-knn, .1 and .4 for rp3beta: what
everybody has tells less where items have many events. The numbers of these formulas, and the values that are tried,
were found on these sets and are not part of what is left out.
The proposals for als are every pair of 64, 96, 128, 192, 256 and 384 factors with a `reg_exponent` of 1 and of .8, the
rest estimated, after twelve fixed pairs of `reg` and `unobserved`. The 192 factors that it had before were taken with
the test columns of this page in view; those it has now are what the rule above took from all of these, nine of which
were written down before any of them was tried.
Those for transitions hold a grid too, tried once after its median came to .947 under this rule, where that left it:
`distance_exponent` .3, .5 and .7, `backward` .6, .8 and 1, `history_exponent` .15, .25 and .35, `candidate_exponent`
0, .1 and .2.

The column *draws* says how many of the {draws} draws all sets have tried so far: `python -m bench defaults` goes on
where it stopped.
"""


@dataclass(frozen=True, eq=False)
class Study:
    """The trials of a model on all its sets: rows are sets, columns the candidates that all of them tried."""

    model: str
    sets: list[str]
    numbers: list[int]
    valid: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, model: str) -> Study:
        """What there is of a model."""
        tried = {p.set_name: {t["trial"]: t for t in p.read()["trials"]} for p in places(models=[model])}
        numbers = sorted(set.intersection(*(set(trials) for trials in tried.values())))
        values = [
            np.array([[trials[n][part] or 0.0 for n in numbers] for trials in tried.values()])
            for part in ("valid", "test")
        ]
        return cls(model, list(tried), numbers, *values)

    @property
    def drawn(self) -> np.ndarray:
        """Which columns are the model as it stood and the random draws."""
        return np.flatnonzero(np.array(self.numbers) <= DRAWS)

    def relative(self) -> np.ndarray:
        """Validation, each set in units of the best of its draws."""
        return np.asarray(self.valid / self.valid[:, self.drawn].max(axis=1, keepdims=True))

    def tuned(self, s: int) -> int:
        """The column that is best on the validation part of a set."""
        return int(self.drawn[np.argmax(self.valid[s, self.drawn])])

    def without(self, s: int | None) -> int:
        """The column that is best in the mean over all sets but one."""
        others = [o for o in range(len(self.sets)) if o != s]
        return int(np.argmax(self.relative()[others].mean(axis=0)))

    def ratios(self) -> list[float]:
        """Of every set, the test value of the default that the others choose, in units of the tuned one."""
        return [
            float(self.test[s, self.without(s)] / self.test[s, self.tuned(s)]) for s in range(len(self.sets))
        ]  # fmt: skip


def write() -> Path:
    """Generate the page."""
    PAGE.write_text(page())
    return PAGE


def page() -> str:
    """The page as text."""
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
    """What the model as it stood when the study began reaches in the median."""
    return median(float(study.test[s, 0] / study.test[s, study.tuned(s)]) for s in range(len(study.sets)))


def _said(model: str, number: int) -> str:
    """The parameters of a candidate that have a space, as on the command line."""
    from penchant.models.registry import model_class
    from penchant.training.tune import search_spaces

    params = grid(model)[number]
    spaces = [
        name for name in search_spaces(model_class(model)) if not name.startswith(("rating_", "user_d", "item_d"))
    ]
    return ", ".join(f"`{name}={params[name]}`" for name in spaces if params[name] not in (0, "off"))


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
