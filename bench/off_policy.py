"""``python -m bench off-policy``: off-policy estimates against truths that are known.

1,000 logs are drawn from a stated world (5 groups of people, 20 items, 3 positions, a softmax policy) for each form of
estimate, and the rewards of another policy estimated from each. On open-bandit-small the uniform policy is estimated
from the lists of Bernoulli Thompson sampling, beside what it earned itself. Writes ``bench/results/off-policy.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from bench import machine
from bench.duel import RESULTS
from bench.sets import data_folder
from penchant.core.metrics import Doubles
from penchant.errors import DataError
from penchant.evaluation.off_policy import METHODS, Form, Logged, cross_fitted, off_policy

OUT = RESULTS / "off-policy.json"
RUNS, LISTS, SEED = 1_000, 4_000, 20
GROUPS, ITEMS, PLACES = 5, 20, 3
COVERED = 0.93  # the goal: of 95 % intervals
Rng = np.random.Generator


def _softmax(scores: Doubles, temperature: float) -> Doubles:
    shares = np.exp(scores / temperature)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


class World:
    """Chances of a click by group, item and position, a policy that made the log, and one that is asked about."""

    def __init__(self, form: Form) -> None:
        rng = np.random.default_rng(SEED)
        self.clicks = rng.beta(1.0, 8.0, (GROUPS, ITEMS, 1)) * 0.8 ** np.arange(PLACES)
        scores = self.clicks[:, :, 0] + 0.1 * rng.standard_normal((GROUPS, ITEMS))
        soft = 0.15 if form == "item-position" else 0.3  # products of weights need policies that are nearer
        self.logs = _softmax(scores, soft)
        self.target = _softmax(self.clicks[:, :, 0], soft)

    def truth(self) -> float:
        """The target's clicks a list."""
        return float((self.target[:, :, None] * self.clicks).sum(axis=(1, 2)).mean())

    def draw(self, rng: Rng, lists: int) -> Logged:
        """Lists of the logging policy, with rewards guessed by item and group from other lists."""
        group = rng.integers(0, GROUPS, lists)
        edges = np.cumsum(self.logs, axis=1)[group]
        item = (rng.random((lists, PLACES))[:, :, None] > edges[:, None, :]).sum(axis=2).clip(max=ITEMS - 1)
        place = np.broadcast_to(np.arange(PLACES), item.shape)
        who = np.broadcast_to(group[:, None], item.shape)
        reward = (rng.random(item.shape) < self.clicks[who, item, place]).astype(np.float64).ravel()
        cells = (GROUPS, ITEMS, PLACES)
        key, row = (
            np.ravel_multi_index((who.ravel(), item.ravel(), place.ravel()), cells),
            np.repeat(np.arange(lists), PLACES),
        )
        guesses = cross_fitted(reward, key, row, keys=int(np.prod(cells)))
        fold = row % len(guesses)
        expected = np.einsum("fgip,gi->fgp", guesses.reshape(-1, *cells), self.target)
        return Logged(
            row, row, place.ravel(), reward, self.logs[who, item].ravel(), self.target[who, item].ravel(),
            guesses[fold, key], expected[fold, who.ravel(), place.ravel()],
        )  # fmt: skip


def proof(form: Form, runs: int) -> dict[str, Any]:
    """Coverage of intervals and errors of each method over logs of one world."""
    world, rng = World(form), np.random.default_rng(SEED + 1)
    truth, found = world.truth(), {method: list[tuple[float, bool, float]]() for method in METHODS}
    for _ in range(runs):
        log = world.draw(rng, LISTS)
        for method in METHODS:
            said = off_policy(log, method, form=form)
            found[method].append((said.mean - truth, said.low <= truth <= said.high, said.effective))
    return {"truth": truth} | {
        method: {
            "covered": float(np.mean([one[1] for one in all_])),
            "rmse": float(np.sqrt(np.mean([one[0] ** 2 for one in all_]))),
            "bias": float(np.mean([one[0] for one in all_])),
            "effective": float(np.median([one[2] for one in all_])),
        }
        for method, all_ in found.items()
    }


def bandit() -> list[dict[str, Any]]:
    """Uniform choice, estimated from the log of Thompson sampling, beside its own clicks a shown item."""
    import polars as pl

    frame = pl.read_parquet(data_folder() / "open-bandit-small" / "interactions.parquet")
    out = []
    for campaign in sorted(frame["campaign"].unique()):
        own = frame.filter(pl.col("campaign") == campaign)
        drawn, uniform = (own.filter(pl.col("policy") == name) for name in ("bts", "random"))
        items = uniform["item"].n_unique()
        clicks = uniform["click"].to_numpy()
        mean, half = float(clicks.mean()), 1.96 * float(np.sqrt(clicks.var() / len(clicks)))
        row: dict[str, Any] = {
            "campaign": campaign, "rows": len(drawn), "items": items,
            "uniform": {"mean": mean, "low": mean - half, "high": mean + half},
            "thompson": float(drawn["click"].to_numpy().mean()),
        }  # fmt: skip
        key = drawn["item"].to_physical().rank("dense").to_numpy().astype(np.int64) - 1
        rows, reward = np.arange(len(drawn)), drawn["click"].to_numpy().astype(np.float64)
        guesses = cross_fitted(reward, key, rows, keys=int(key.max()) + 1)
        fold = rows % len(guesses)
        # each row is a list of one item: the set ships rows, not slates
        log = Logged(
            rows, rows, np.zeros(len(rows), dtype=np.int64), reward, drawn["propensity"].to_numpy(),
            np.full(len(rows), 1.0 / items), guesses[fold, key], guesses.mean(axis=1)[fold],
        )  # fmt: skip
        for method in METHODS:
            try:
                row[method] = off_policy(log, method).to_json()
            except DataError as error:
                row[method] = {"refused": str(error)}
        out.append(row)
    return out


def work() -> int:
    """Measure all, print the goals and write the result; returns the number of missed goals."""
    forms = {form: proof(form, RUNS) for form in ("item-position", "slate")}  # type: ignore[arg-type]  # forms
    campaigns, goals = bandit(), []
    for form, one in forms.items():
        goals += [
            {"text": f"{form}, {method}: 95 % intervals that cover the truth", "value": one[method]["covered"],
             "limit": COVERED, "at_least": True}
            for method in METHODS
        ]  # fmt: skip
        error = one["dr"]["rmse"] / one["ips"]["rmse"]
        goals.append(
            {"text": f"{form}: error of dr, times that of ips", "value": error, "limit": 1.0, "at_least": False}
        )
    for goal in goals:
        goal["met"] = goal["value"] >= goal["limit"] if goal["at_least"] else goal["value"] <= goal["limit"]
        print(f"{goal['text']}: {goal['value']:.3f} ({'met' if goal['met'] else 'MISSED'}, limit {goal['limit']})")
    for row in campaigns:
        said = "; ".join(
            f"{method} {row[method]['mean']:.5f} ({row[method]['low']:.5f} to {row[method]['high']:.5f})"
            if "mean" in row[method] else f"{method} refused" for method in METHODS
        )  # fmt: skip
        own = row["uniform"]
        print(f"{row['campaign']}: uniform itself {own['mean']:.5f} ({own['low']:.5f} to {own['high']:.5f}); {said}")
    OUT.write_text(json.dumps({
        "command": "python -m bench off-policy", "runs": RUNS, "lists": LISTS, "seed": SEED, "forms": forms,
        "open_bandit_small": campaigns, "goals": goals, "machine": machine.describe(),
        "versions": machine.versions("penchant", "numpy"),
    }, indent=1) + "\n")  # fmt: skip
    return sum(not goal["met"] for goal in goals)


def section(
    table: Callable[..., str], where: Callable[[dict[str, Any]], str], goals: Callable[[Iterable[dict[str, Any]]], str]
) -> str:
    """The section of ``docs/benchmarks.md``."""
    if not OUT.exists():
        return ""
    found = json.loads(OUT.read_text())
    about = (
        f"{found['runs']:,} logs of {found['lists']:,} lists each, drawn from a world whose truth is known. Coverage "
        "is of 95 % intervals.\n"
    )
    rows = [
        (form, method, f"{one[method]['covered']:.1%}", f"{one[method]['rmse']:.5f}", f"{one[method]['bias']:+.5f}")
        for form, one in found["forms"].items()
        for method in METHODS
    ]
    bandits = [
        (row["campaign"], _interval(row["uniform"]), *(_interval(row[method]) for method in METHODS))
        for row in found["open_bandit_small"]
    ]
    open_bandit = (
        "Clicks a shown item of uniform choice on open-bandit-small, estimated from the lists of Thompson sampling, "
        "beside what uniform choice earned itself:\n"
    )
    return "\n".join([
        "## Off-policy estimates\n", about, table(("form", "method", "covered", "error", "bias"), rows), open_bandit,
        table(("campaign", "uniform itself", *METHODS), bandits), goals(found["goals"]),
        f"`{found['command']}`; {where(found['machine'])}.\n",
    ])  # fmt: skip


def _interval(one: dict[str, Any]) -> str:
    return (
        f"{one['mean']:.5f} ({one['low']:.5f} to {one['high']:.5f})"
        if "mean" in one
        else "refused: too few effective lists"
    )
