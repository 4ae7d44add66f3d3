"""Vectors learned from the texts of a catalogue alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penchant.core.histories import Floats, Ints
from penchant.errors import DataError, FormatError
from penchant.text.encoder import Arrays, unit
from penchant.text.ngrams import Ngrams

if TYPE_CHECKING:
    import scipy.sparse as sp

SIZE = 256
PASSES, BESIDE = 6, 16  # of the randomised decomposition, and directions beside those that are kept
MOST = 2**16  # n-grams that are kept, those of most texts
COMMON = 0.5  # an n-gram of more than this share of the texts says nothing
ROWS = 8192  # texts that are encoded at a time
SPARSE = {"columns": np.int32, "rarity": np.float32, "projection": np.float16}


@dataclass(frozen=True, eq=False)
class LearnedVectors:
    """v = x P / |x P|: x the sublinear TF-IDF counts of hashed n-grams, P = V S^(-1/2) of their truncated SVD U S V'.

    Latent semantic analysis (Deerwester et al. 1990) of characters and words, by a randomised SVD (Halko et al. 2011).
    The division by the square roots of the singular values keeps the largest directions, brands and lengths, from
    hiding the others. N-grams of a single text are left out. Any language; no segmenter. Cost: ``PASSES`` products of
    the counts with ``SIZE`` directions; two bytes for each kept n-gram and direction.
    """

    name = "learned"
    ngrams: Ngrams
    columns: Ints  # (kept,) ascending
    rarity: Floats  # (kept,)
    projection: NDArray[np.float16]  # (kept, size)

    @property
    def size(self) -> int:
        """The length of a vector."""
        return int(self.projection.shape[1])

    @classmethod
    def fit(
        cls,
        texts: Sequence[object],
        *,
        size: int = SIZE,
        ngrams: Ngrams = Ngrams((1, 4), 2, 20),  # noqa: B008  # frozen
        seed: int = 0,
    ) -> LearnedVectors:
        """Learn from texts. Raises ``DataError`` where no two of them share an n-gram."""
        counts = ngrams.counts(texts)
        n = counts.shape[0]
        holders = np.bincount(counts.indices, minlength=ngrams.columns)
        columns = np.flatnonzero((holders > 1) & (holders <= max(2, COMMON * n))).astype(np.int32)
        if len(columns) > MOST:
            columns = np.sort(columns[np.argsort(-holders[columns], kind="stable")[:MOST]])
        if len(columns) == 0:
            raise DataError("no two texts share a word: there is nothing to learn vectors from")
        rarity = np.log(n / holders[columns]).astype(np.float32) + np.float32(1e-3)
        rows = _scaled(counts[:, columns], rarity)
        values, directions = _decompose(rows, min(size, n, len(columns)), seed)
        kept = values > 1e-4 * values[0]
        projection = directions[:, kept] / np.sqrt(values[kept])
        return cls(ngrams, columns, rarity, projection.astype(np.float16))

    def encode(self, texts: Sequence[object]) -> Floats:
        """A vector of length one for each text, ``(texts, size)``; zeros for a text without a known n-gram."""
        weights = self.projection.astype(np.float32)
        made = [np.empty((0, self.size), np.float32)]
        for lo in range(0, len(texts), ROWS):
            counts = self.ngrams.counts(texts[lo : lo + ROWS])
            made.append(unit(_scaled(counts[:, self.columns], self.rarity) @ weights))
        return np.concatenate(made)

    def to_json(self) -> dict[str, Any]:
        """What made it, as plain JSON values."""
        return {"name": self.name, "size": self.size, "ngrams": self.ngrams.to_json()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it has learned."""
        return {"columns": self.columns, "rarity": self.rarity, "projection": self.projection}

    @classmethod
    def of(cls, data: Mapping[str, Any], arrays: Arrays) -> LearnedVectors:
        """What was saved; raises ``FormatError`` for anything else."""
        try:
            ngrams, size = Ngrams.from_json(data["ngrams"]), int(data["size"])
        except (KeyError, TypeError, ValueError) as wrong:
            raise FormatError(f"this describes no learned vectors ({wrong})") from None
        if set(arrays) != set(SPARSE) or any(arrays[name].dtype != dtype for name, dtype in SPARSE.items()):
            raise FormatError("learned vectors: other arrays than were saved")
        columns, rarity, projection = (arrays[name] for name in SPARSE)
        kept = len(columns)
        if rarity.shape != (kept,) or projection.shape != (kept, size) or columns.ndim != 1 or not kept:
            raise FormatError("learned vectors: the arrays do not fit together")
        if columns[0] < 0 or columns[-1] >= ngrams.columns or (np.diff(columns) <= 0).any():
            raise FormatError("learned vectors: the columns are not those of n-grams")
        return cls(ngrams, columns, rarity, projection)


def _scaled(counts: sp.csr_matrix, rarity: Floats) -> sp.csr_matrix:
    """Sublinear TF-IDF, rows of length one (or zero)."""
    import scipy.sparse as sp

    data = (1 + np.log(counts.data)) * rarity[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    length = np.sqrt(np.bincount(rows, weights=data.astype(np.float64) ** 2, minlength=counts.shape[0]))
    data = (data / np.where(length > 0, length, 1)[rows]).astype(np.float32)
    return sp.csr_matrix((data, counts.indices, counts.indptr), counts.shape)


def _decompose(rows: sp.csr_matrix, size: int, seed: int) -> tuple[Floats, Floats]:
    """The largest singular values ``(size,)`` and their right directions ``(columns, size)``."""
    width = min(size + BESIDE, *rows.shape)
    turned = rows.T.tocsr()
    start = np.random.default_rng(seed).standard_normal((rows.shape[1], width)).astype(np.float32)
    basis = np.linalg.qr(rows @ start)[0]
    for _ in range(PASSES):
        basis = np.linalg.qr(rows @ (turned @ basis))[0]
    _, values, directions = np.linalg.svd((turned @ basis).T, full_matrices=False)
    return values[:size].astype(np.float32), directions[:size].T.astype(np.float32)
