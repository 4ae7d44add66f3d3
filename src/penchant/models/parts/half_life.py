"""The half-life with which training histories best predict their own last events."""

from __future__ import annotations

import numpy as np

from penchant.core.histories import Histories, Ints, Longs
from penchant.core.run import Run
from penchant.models.parts.held_back import FEWEST, LIST, NEWEST, choose_value
from penchant.models.parts.ragged import turned

HALF_LIVES = (0.0, 15.0, 8.0, 5.0, 3.0, 2.0, 1.5, 1.0, 0.75, 0.5)  # 0: none
PAIRS = 3e7  # counted at most
WORK = 5e7  # pairs visited for the last events, at most
ASKED = 5_000  # histories at most
USUAL = HALF_LIVES.index(3.0)  # near what most logs have
ITEMS_A_BLOCK, ROWS_A_BLOCK = 64, 16
POPULAR = 128  # items whose scores are summed first
COLUMNS = 4  # that the kernel adds at a time


def estimate_half_life(train: Histories, run: Run) -> tuple[float | None, str]:
    """The half-life, in events, that ranks the last events of training histories best, and a note on how it was found.

    0 means no decay; None, that there are too few histories. For each of at most 5,000 histories, the last item is
    ranked by the cosine with the items before it, with the history itself taken out of the counts. A half-life is
    judged by NDCG@10, less one standard error of the difference to a half-life of 3 events. Of those within 1 % of the
    best, the one nearest to 3 is taken. Histories are drawn with the seed, up to 30 million pairs. Models that are
    fitted on the same histories, as in a comparison, share the estimate.
    """
    known: dict[int, tuple[float | None, str]] = vars(train).setdefault("_half_lives", {})
    if run.seed not in known:
        known[run.seed] = _estimated(train, run)
    return known[run.seed]


def _estimated(train: Histories, run: Run) -> tuple[float | None, str]:
    events = train.positives().distinct()
    if not events.ordered:
        return 0.0, ""
    events = events.newest(NEWEST)
    order = run.rng().permutation(len(events))
    order = order[np.cumsum(events.lengths[order].astype(np.float64) ** 2) <= PAIRS]
    events = events[order]
    long_enough = np.flatnonzero(events.lengths >= 3)[:ASKED]
    if len(long_enough) < FEWEST:
        return None, ""
    gains = _gains(events, long_enough, run)
    means, best = gains.mean(axis=0), choose_value(gains, USUAL)
    asked = f"the last of {len(gains):,} training histories"
    if HALF_LIVES[best] == 0:
        return 0.0, f"no half-life: newer events predict {asked} no better than older ones"
    gain = means[best] / max(float(means[0]), 1e-9) - 1
    return HALF_LIVES[best], f"half_life {HALF_LIVES[best]:g}: predicts {asked} {gain:+.0%} better than none"


def _gains(events: Histories, rows: Longs, run: Run) -> np.ndarray:
    """NDCG of the last event of each row under every half-life, (asked, half-lives)."""
    from penchant.kernels.half_life import count_rows, last_events
    from penchant.kernels.threads import over_blocks

    n = events.n_items
    holders_indptr, holders, _ = turned(events.indptr, events.items, n)
    met = np.minimum(_sums(events.lengths[holders], holders_indptr), n)  # items that occur with each, at most
    work = np.cumsum(_sums(met[events.items], events.indptr)[rows])
    rows = rows[: max(FEWEST, int((work <= WORK).sum()))]
    wanted = np.unique(events[rows].items)
    place = np.full(n, -1, dtype=np.int32)
    place[wanted] = np.arange(len(wanted))

    sizes = np.diff(holders_indptr)
    popular = np.zeros(n, dtype=np.bool_)
    popular[np.argsort(-sizes, kind="stable")[:POPULAR]] = True

    def of_items(lo: int, hi: int) -> tuple[Longs, Longs, Ints, np.ndarray]:
        room = int(met[wanted[lo:hi]].sum())
        sizes, firsts = np.zeros(hi - lo, np.int64), np.zeros(hi - lo, np.int64)
        found, counts = np.empty(room, np.int32), np.empty(room, np.float32)
        used = count_rows(
            lo, hi, wanted, holders_indptr, holders, events.indptr, events.items, popular, sizes, firsts, found, counts
        )  # fmt: skip
        return sizes, firsts, found[:used].copy(), counts[:used].copy()

    parts = over_blocks(of_items, len(wanted), size=ITEMS_A_BLOCK, threads=run.threads)
    lengths, firsts, found, counts = (np.concatenate(part) for part in zip(*parts, strict=True))
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    middle = indptr[:-1] + firsts
    root = np.maximum(sizes, 1.0) ** -0.5
    ages = np.arange(int(events.lengths.max()))
    decay = np.zeros((len(ages), -(-len(HALF_LIVES) // COLUMNS) * COLUMNS))
    for column, life in enumerate(HALF_LIVES):
        decay[:, column] = np.exp2(-ages / life) if life else 1.0
    rest = np.zeros((len(ages) + 1, decay.shape[1]))  # a cosine is at most 1
    rest[:-1] = np.cumsum(decay[::-1], axis=0)[::-1]
    out = np.zeros((len(rows), len(HALF_LIVES)))

    def of_rows(lo: int, hi: int) -> None:
        last_events(
            lo, hi, rows, events.indptr, events.items, place, indptr, middle, found, counts, root, decay, rest, LIST,
            out,
        )  # fmt: skip

    over_blocks(of_rows, len(rows), size=ROWS_A_BLOCK, threads=run.threads)
    return out


def _sums(values: Longs, indptr: Longs) -> Longs:
    """Sums over the ranges of ``indptr``."""
    total = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(total[indptr[1:]] - total[indptr[:-1]], dtype=np.int64)
