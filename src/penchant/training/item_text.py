"""The texts of items as vectors: made, and chosen on items that are held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from penchant.core.histories import Floats
from penchant.errors import DataError, MissingExtraError, ParameterError
from penchant.text.encoder import TextEncoder

if TYPE_CHECKING:
    from penchant.core.histories import Bools
    from penchant.data.catalog import Catalog
    from penchant.data.interactions import Interactions

Way = str | TextEncoder | Callable[[list[str]], Any]
CHOOSE = "choose"
COLD, K = 0.2, 20  # share of items held out, and the length of lists
MOST_ROWS = 2000  # histories that judge


@dataclass(frozen=True)
class Judged:
    """One way to make vectors: the mean recall@20 of held-out items, among all items, over so many histories."""

    name: str
    recall: float
    histories: int


def with_text(catalog: Catalog | None, log: Interactions, way: Way, *, seed: int = 0) -> tuple[Catalog, TextEncoder]:
    """The catalogue with a vector of each item's text, and what made them.

    ``"choose"`` compares the ways that need no operator (``judge``) and takes the best; ``"onnx:FOLDER"`` is an encoder
    of the operator, ``model.onnx`` and ``tokenizer.json``. Raises ``ParameterError`` without a catalogue, or for one
    that has vectors of its own, ``DataError`` where no item has a text, and ``FormatError`` for other files.
    """
    from penchant.text.encoders import make_encoder
    from penchant.text.onnx_vectors import ONNX

    if catalog is None:
        raise ParameterError("the texts of items stand in a catalogue: give one (--items)")
    if catalog.vectors is not None:
        raise ParameterError("the catalogue has vectors of its own: leave out text, or the column of vectors")
    texts = catalog.texts()
    if not any(text.strip() for text in texts):
        raise DataError("no item has a title or another text")
    if way == CHOOSE:
        made = dict(_candidates(texts))
        found = [judge(encoder, texts, log, seed=seed) for encoder in made.values()]
        encoder = made[max(found, key=lambda one: one.recall).name]
    elif isinstance(way, str) and way.startswith(ONNX):
        encoder = _of_files(Path(way[len(ONNX) :]))
    else:
        encoder = make_encoder(way, texts)
    vectors = encoder.encode(texts)
    if getattr(encoder, "strict", False):
        encoder.strict = False  # type: ignore[attr-defined]  # from now on a failure loses one text, not the service
    return catalog.with_vectors(vectors), encoder


def _of_files(folder: Path) -> TextEncoder:
    """The encoder in a folder of the operator."""
    from penchant.recommender.folder.onnx import check
    from penchant.text.onnx_vectors import GRAPH, MOST_GRAPH, TOKENIZER, OnnxVectors

    content = {}
    for name in (GRAPH, TOKENIZER):
        try:
            with (folder / name).open("rb") as file:
                content[name] = file.read(MOST_GRAPH + 1)
        except OSError as wrong:
            raise DataError(f"the encoder cannot be read ({wrong.strerror})", file=str(folder / name)) from None
    check(GRAPH, content[GRAPH])
    return OnnxVectors.made(content[GRAPH], content[TOKENIZER])


def _candidates(texts: list[str]) -> list[tuple[str, TextEncoder]]:
    from penchant.text.encoders import WAYS, make_encoder

    made = []
    for way in WAYS:
        try:
            made.append((way, make_encoder(way, texts)))
        except MissingExtraError:
            continue
    return made


def judge(encoder: TextEncoder, texts: list[str], log: Interactions, *, seed: int = 0) -> Judged:
    """How well an encoder finds items that nobody has seen: a fifth of the items is held out, the histories without
    them are asked, and the score of an item is the sum of its cosines with the history."""
    vectors = encoder.encode(texts)
    cold = np.random.default_rng(seed).random(len(texts)) < COLD
    recalls = recall_of(lambda given: (given @ vectors) @ vectors.T, log, cold, seed=seed)
    return Judged(encoder.name, float(recalls.mean()) if len(recalls) else 0.0, len(recalls))


def recall_of(
    score: Callable[[Any], Any], log: Interactions, cold: Bools, *, among: Bools | None = None, seed: int = 0
) -> Floats:
    """Recall@20 of the ``cold`` items of each history, ranked among all items or those of ``among``.

    ``score`` takes a sparse matrix of histories without cold items, ``(rows, n_items)``, and returns scores.
    """
    import scipy.sparse as sp

    held = log.histories().positives()
    ones = np.ones(len(held.items), np.float32)
    seen = sp.csr_matrix((ones, held.items, held.indptr), (len(held), len(cold)))
    seen.sum_duplicates()
    seen.data[:] = 1
    given, truth = seen[:, ~cold], seen[:, cold]
    rows = np.flatnonzero((np.diff(given.indptr) > 0) & (np.diff(truth.indptr) > 0))
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_ROWS])
    given = seen[rows] @ sp.diags((~cold).astype(np.float32))
    given.eliminate_zeros()
    out = np.zeros(len(rows), np.float32)
    for lo in range(0, len(rows), 256):
        part = given[lo : lo + 256]
        scores = np.array(score(part.tocsr()), dtype=np.float32)
        scores[part.nonzero()] = -np.inf
        if among is not None:
            scores[:, ~among] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        for at in range(len(best)):
            wanted = seen[rows[lo + at]].indices
            wanted = wanted[cold[wanted]]
            out[lo + at] = np.isin(best[at], wanted).sum() / min(K, len(wanted))
    return out
