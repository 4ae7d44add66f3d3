"""Item vectors in any number, made from those that ``als`` learns on gowalla, and the vectors of real histories.

Each vector is a learned one, drawn with replacement, plus normal noise of ``NOISE`` times its length in all: lengths
and directions keep their distribution, popular items have many near neighbours. Histories are those of the test part.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.peers import ROOT
from bench.sets import SETS

Floats = NDArray[np.float32]

FACTORS = 64
NOISE = 0.3  # length of the noise over that of the vector
WORK = ROOT / "bench" / ".work" / "index"
_BLOCK = 100_000


def learned() -> tuple[Floats, Floats]:
    """Item vectors ``(40981, 64)`` of als on gowalla, and vectors of the histories; kept after the first call."""
    kept = WORK / "gowalla-als-64.npz"
    if not kept.exists():
        from penchant.models.als import ALS

        (split,), _ = SETS["gowalla"].load()
        model = ALS(factors=FACTORS, reg=0.0016, unobserved=0.02, epochs=12).fit(split.train)
        kept.parent.mkdir(parents=True, exist_ok=True)
        _keep(kept, model.item_vectors, model.embed(split.given))
    with np.load(kept) as arrays:
        return arrays["items"], arrays["histories"]


def _keep(path: Path, items: Floats, histories: Floats) -> None:
    part = path.with_suffix(".part.npz")
    np.savez(part, items=items, histories=histories)
    part.replace(path)


def resampled(n: int, *, noise: float = NOISE, seed: int = 0) -> Floats:
    """``n`` item vectors; the same size, noise and seed give the same vectors. Memory: that of the result."""
    items, _ = learned()
    rng = np.random.default_rng([n, seed])
    out = np.empty((n, items.shape[1]), np.float32)
    for lo in range(0, n, _BLOCK):
        block = out[lo : lo + _BLOCK]
        block[:] = items[rng.integers(0, len(items), len(block))]
        scale = np.float32(noise / np.sqrt(items.shape[1])) * np.linalg.norm(block, axis=1, keepdims=True)
        block += scale * rng.standard_normal(block.shape, dtype=np.float32)
    return out
