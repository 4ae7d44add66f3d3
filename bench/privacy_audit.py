"""Audits of models on ml-1m-bars: leaky on purpose, as they are, and private, half of the people in training.

``python -m bench privacy-audit`` attacks every model with 2,000 members and 2,000 others and plants canaries.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import machine
from bench.privacy import DONE
from bench.sets import SETS

if TYPE_CHECKING:
    from penchant.data.interactions import Interactions

SET, SHADOWS, CANARIES, DELTA = "ml-1m-bars", 2, 400, 1e-6
LEAKY = ("user-knn:neighbourhood=1", "ease:reg=0.001,dropout=0")
OPEN = ("item-knn", "ease", "als:factors=64,reg=0.01,unobserved=0.1")
PRIVATE = ("popular", "item-knn", "ease", "als", "mult-vae")
EPSILONS = (2.0, 1.0)


def halves(log: Interactions) -> tuple[Interactions, Interactions]:
    """Two halves of the people, drawn with a stated seed."""
    inside = np.random.default_rng(0).random(log.n_users) < 0.5
    return log.where(inside[log.users]), log.where(~inside[log.users])


def main() -> int:
    """Audit what has no result yet, then state which claims are refuted together."""
    from penchant.evaluation.protocols import training_rows
    from penchant.privacy.accounting import Promise
    from penchant.privacy.audit import audit
    from penchant.privacy.audit_numbers import holm
    from penchant.privacy.mechanism.fit import fit_private
    from penchant.training.fit import fit

    file = DONE / "audit.json"
    rows: dict[str, Any] = json.loads(file.read_text())["models"] if file.exists() else {}
    log = replace(training_rows(SETS[SET].read())[0], parts=None)
    members, others = halves(log)
    wanted = [(model, epsilon, CANARIES) for epsilon in EPSILONS for model in PRIVATE]
    wanted += [(model, 0.0, 0) for model in LEAKY]
    wanted += [(model, 0.0, CANARIES) for model in OPEN]
    for model, epsilon, canaries in wanted:
        name = f"{model}, epsilon {epsilon:g}" if epsilon else model
        if name in rows:
            continue
        made = fit_private(members, model, Promise(epsilon, DELTA)) if epsilon else fit(members, model)
        planted = min(canaries, len(made.vocab) // 4)
        found = audit(made, members, others, shadows=SHADOWS, canaries=planted)
        attacks = [{key: value for key, value in one.to_json().items() if key != "curve"} for one in found.attacks]
        rows[name] = {"epsilon": epsilon or None, "attacks": attacks, "canaries": found.canaries}
        print(name, [(round(one.auc, 3), round(one.auc_high, 3)) for one in found.attacks], found.canaries, flush=True)
        chances = {n: row["canaries"]["chance_of_claim"] for n, row in rows.items() if row["epsilon"]}
        DONE.mkdir(parents=True, exist_ok=True)
        result = {
            "set": SET, "models": rows, "refuted": holm(chances), "command": "python -m bench privacy-audit",
            "machine": machine.describe(), "versions": machine.versions("penchant", "numpy"),
        }  # fmt: skip
        file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    leaky = [max(one["auc"]["mean"] for one in rows[model]["attacks"]) for model in LEAKY]
    private = [max(one["auc"]["high"] for one in row["attacks"]) for row in rows.values() if row["epsilon"]]
    refuted = json.loads(file.read_text())["refuted"]
    goals = {
        f"leaky controls: AUC {min(leaky):.3f}, at least .70": min(leaky) >= 0.70,
        f"private, epsilon at most 2: upper end {max(private):.3f}, at most .55": max(private) <= 0.55,
        f"claims refuted: {sum(refuted.values())} of {len(refuted)}": not any(refuted.values()),
    }
    for text, met in goals.items():
        print(f"{text}: {'met' if met else 'MISSED'}", file=sys.stderr)
    return int(not all(goals.values()))
