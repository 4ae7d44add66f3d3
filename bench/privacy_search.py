"""How near ease comes at epsilon = 2 to the best without a promise, over ways to read the same noised sums.

``python -m bench privacy-search`` draws three simulated releases on ml-1m-bars and tries numbers of items, ways to
shrink the eigenvalues of the noised Gram matrix, and scalings of it by the noised counts. It looks at the test lists
while it chooses, so what it finds is at best as good as it says. Nothing of it is in the package.
"""

from __future__ import annotations

import json
from itertools import product

import numpy as np

from bench import machine
from bench.duel import RESULTS
from bench.privacy import DELTA, DONE, K, draw_of
from bench.sets import SETS

SET, EPSILON, GOAL, RELEASES = "ml-1m-bars", 2.0, 0.8, 3
ROW = RESULTS / "accuracy" / f"{SET}-blend-0.json"  # of the best without a promise
ITEMS, SHRINKS, SCALES, REGS = (200, 300, 400), ("spike", "frobenius"), (0.0, 0.15, 0.3), (0.5, 1.0)


def shrunk(matrix: np.ndarray, deviation: float, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues that stand out from the noise, and their vectors.

    ``spike`` takes off what noise adds to an eigenvalue, as the package does; ``frobenius`` is the least squared error
    over all (Gavish and Donoho 2017).
    """
    n = len(matrix)
    values, vectors = np.linalg.eigh(matrix.astype(np.float64))
    kept = values > 2 * deviation * n**0.5
    values, noise = values[kept], n * deviation**2
    less = values - noise / values if how == "spike" else np.sqrt(values**2 - 4 * noise)
    return np.maximum(less, 1e-6), vectors[:, kept]


def weights(gram: np.ndarray, deviation: float, counts: np.ndarray, how: str, scale: float, reg: float) -> np.ndarray:
    """EASE from a noised Gram matrix, with items scaled by (count / mean)^-scale."""
    by = (counts / counts.mean()) ** -scale
    deviation = deviation * float((by**2).mean())
    values, vectors = shrunk(gram * by[:, None] * by, deviation, how)
    left = vectors * (values / (values + reg * 2 * deviation * len(gram) ** 0.5))
    own = np.einsum("ij,ij->i", left, vectors)
    found = left @ (vectors.T / np.maximum(1 - own, 1e-3)) * (by[:, None] / by)
    np.fill_diagonal(found, 0)
    return found


def main() -> int:
    """Search, print and write what was found; 1 where the goal was missed."""
    from penchant.core.metrics import judge, ndcg
    from penchant.evaluation.protocols import training_rows
    from penchant.models.ease import EASE
    from penchant.privacy.accounting import GAUSSIAN_SHARE, MAX_HISTORY, SELECTION_SHARE, multiplier_for
    from penchant.privacy.mechanism.contributions import bounded
    from penchant.privacy.mechanism.sums import Sums, threshold

    log, split = SETS[SET].read(), SETS[SET].load()[0][0]
    people = bounded(training_rows(log)[0].histories(), MAX_HISTORY)
    multiplier = multiplier_for(EPSILON, GAUSSIAN_SHARE * DELTA)
    given = split.given.positives()
    found: dict[str, list[float]] = {}

    def judged(weight: np.ndarray, kept: np.ndarray) -> float:
        asked = np.zeros((len(given), log.n_items))
        asked[given.rows, given.items] = 1
        scores = asked[:, kept] @ weight
        scores[asked[:, kept] > 0] = -np.inf
        lists = kept[np.argsort(-scores, axis=1)[:, :K]].astype(np.int32)
        return float(np.nan_to_num(ndcg(judge(lists, split.truth), K)).mean())

    for items, release in product(ITEMS, range(RELEASES)):
        sums = Sums(people, multiplier, EASE.private_shares, draw=draw_of(release))
        counts, noise = sums.counts()
        passed = np.flatnonzero(counts > threshold(noise, SELECTION_SHARE * DELTA, MAX_HISTORY))
        kept = np.sort(passed[np.argsort(-counts[passed], kind="stable")][:items])
        sums.keep(kept)
        counts = np.maximum(sums.counts()[0].astype(np.float64), 1.0)
        gram, deviation = sums.gram()
        for how, scale, reg in product(SHRINKS, SCALES, REGS):
            name = f"{items} items, {how}, scale {scale:g}, reg {reg:g}"
            found.setdefault(name, []).append(judged(weights(gram, deviation, counts, how, scale, reg), kept))
        if release:
            continue
        exact = Sums(people, 1e-6, EASE.private_shares, draw=lambda size: np.zeros(size, np.int64))
        exact.counts()
        exact.keep(kept)
        clean = exact.gram()[0]
        best = max(judged(weights(clean, 0.01 * by, counts, "spike", 0.0, 1.0), kept) for by in (10.0, 40.0))
        found.setdefault(f"{items} items, no noise", []).append(best)
        print(items, release, flush=True)
    means = {name: round(float(np.mean(values)), 4) for name, values in found.items()}
    private = {name: value for name, value in means.items() if "no noise" not in name}
    name, top = max(private, key=lambda one: private[one]), json.loads(ROW.read_text())["metrics"][f"ndcg@{K}"]["mean"]
    result = {
        "command": "python -m bench privacy-search", "set": SET, "epsilon": EPSILON, "delta": DELTA,
        "best": {"how": name, f"ndcg@{K}": private[name], "of_the_best": round(private[name] / top, 3)},
        "tried": means, "machine": machine.describe(), "versions": machine.versions("penchant", "numpy"),
    }  # fmt: skip
    (DONE / "search.json").write_text(json.dumps(result, indent=1) + "\n")
    share = private[name] / top
    print(f"{name}: {private[name]:.4f}, {share:.0%} of {top:.4f} ({'met' if share >= GOAL else 'MISSED'}, {GOAL:.0%})")
    return int(share < GOAL)
