"""The neighbour kernels against naive implementations, on random sparse vectors of all shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penchant.kernels.nearest import best_of
from penchant.models.parts.similarity import FORMS, SIMILARITIES, B, Index, Measure, Vectors

K1 = 1.2


def vectors(seed: int, rows: int, n_keys: int, *, unit: bool = False, signed: bool = False) -> Vectors:
    """Random sparse vectors, some empty, with many equal values so that ties occur."""
    rng = np.random.default_rng(seed)
    held = rng.random((rows, n_keys)) < rng.choice([0.0, 0.1, 0.4, 0.9], size=(rows, 1))
    indptr = np.concatenate([[0], np.cumsum(held.sum(1))])
    keys = np.nonzero(held)[1].astype(np.int32)
    values = rng.integers(1, 6, len(keys)).astype(np.float32)
    if signed:
        values = values - np.float32(2.75)
    return Vectors(indptr, keys, np.ones(len(keys), np.float32) if unit else values)


def dense(v: Vectors, n_keys: int) -> tuple[np.ndarray, np.ndarray]:
    """The values as a matrix, and a mask of those that exist."""
    x, there = np.zeros((len(v), n_keys)), np.zeros((len(v), n_keys), dtype=bool)
    rows = np.repeat(np.arange(len(v)), v.lengths)
    x[rows, v.keys], there[rows, v.keys] = v.values, True
    return x, there


def naive(m: Measure, queries: Vectors, points: Vectors, n_keys: int) -> np.ndarray:
    """Every similarity by its textbook formula, pair by pair."""
    (q, q_there), (p, p_there) = dense(queries, n_keys), dense(points, n_keys)
    counts = p_there.sum(0)
    name = m.similarity
    idf = np.log1p(len(points) / np.maximum(counts, 1))
    if name == "adjusted-cosine":
        means = p.sum(0) / np.maximum(counts, 1)
        q, p = (q - means) * q_there, (p - means) * p_there
    if name == "tf-idf":
        q, p = (np.sign(x) * np.sqrt(np.abs(x)) * idf for x in (q, p))
    if name == "bm25":
        mean = p.sum() / len(points)
        q, p = (x * (K1 + 1) / (K1 * (1 - B + B * x.sum(1, keepdims=True) / mean) + x) * idf for x in (q, p))
    out = np.zeros((len(queries), len(points)))
    for i in range(len(queries)):
        for j in range(len(points)):
            both = q_there[i] & p_there[j]
            n = both.sum()
            if n < m.min_overlap:
                continue
            x, y, n_i, n_j = q[i][both], p[j][both], q_there[i].sum(), p_there[j].sum()
            size_i, size_j = (q[i] ** 2).sum() or 1, (p[j] ** 2).sum() or 1
            damp = counts[both] ** -m.key_exponent
            if name in ("cosine", "tf-idf"):
                s = (x * y * damp).sum() / (size_i**m.query_exponent * size_j**m.point_exponent)
            elif name == "asymmetric-cosine":
                s = (x * y * damp).sum() / (size_i**m.query_exponent * size_j ** (1 - m.query_exponent))
            elif name == "bm25":
                s = (x * y).sum()
            elif name == "conditional":
                s = n / n_i
            elif name == "lift":
                s = n * n_keys / (n_i * n_j)
            elif name == "jaccard":
                s = n / (n_i + n_j - n)
            elif name == "dice":
                s = 2 * n / (n_i + n_j)
            elif name == "pearson":
                a, b = x - x.mean(), y - y.mean()
                s = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()) if a.any() and b.any() else 0
            elif name == "adjusted-cosine":
                s = (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()) if x.any() and y.any() else 0
            elif name == "euclidean":
                s = 1 / (1 + np.sqrt(((x - y) ** 2).sum()))
            else:
                s = 1 / (1 + ((x - y) ** 2).mean())
            out[i, j] = max(s, 0) * n / (n + m.shrink)
    return out


def found(index: Index, queries: Vectors, k: int, **options: object) -> np.ndarray:
    out = np.zeros((len(queries), len(index.factors)))
    for block in index.near(queries, k, **options):
        out[np.repeat(np.arange(block.lo, block.hi), block.sizes), block.points] = block.scores
    return out


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"shrink": 2.5, "min_overlap": 2},
        {"key_exponent": 0.4, "query_exponent": 0.2, "point_exponent": 0.9},
    ],
)
@pytest.mark.parametrize("unit", [False, True])
def test_every_similarity_is_its_formula(similarity: str, numbers: dict[str, float], unit: bool) -> None:
    if unit and similarity in ("pearson", "adjusted-cosine"):
        assert similarity in FORMS  # vectors of equal values have no direction
        return
    if similarity in FORMS or similarity in ("bm25", "conditional", "lift"):
        numbers = {key: value for key, value in numbers.items() if "exponent" not in key}
    points, queries = vectors(1, 40, 30, unit=unit), vectors(2, 25, 30, unit=unit)
    m = Measure(similarity, **numbers)
    got = found(Index.of(m, points, 30), queries, 0)
    np.testing.assert_allclose(got, naive(m, queries, points, 30), rtol=2e-5, atol=1e-6)


def test_centred_cosine_takes_values_of_both_signs() -> None:
    points, queries = vectors(3, 40, 30, signed=True), vectors(4, 25, 30, signed=True)
    m = Measure("cosine", shrink=4.0, centred=True)
    np.testing.assert_allclose(
        found(Index.of(m, points, 30), queries, 0), naive(m, queries, points, 30), rtol=2e-5, atol=1e-6
    )


# user, item, rating; the expected similarities are from scikit-surprise 1.1.5 on the same ratings
RATED = [
    (0, 1, 5), (0, 2, 5), (0, 3, 2), (1, 0, 2), (1, 2, 2), (1, 3, 5), (1, 4, 1), (2, 1, 4), (2, 4, 3), (3, 0, 4),
    (3, 2, 1), (3, 3, 1), (3, 4, 5), (4, 1, 3), (4, 2, 1), (4, 3, 3), (5, 0, 1), (5, 2, 2), (5, 3, 1), (5, 4, 3),
    (6, 0, 1), (6, 1, 4), (6, 2, 3), (6, 3, 2), (6, 4, 5), (7, 1, 5), (7, 2, 1), (7, 4, 1), (8, 1, 5), (8, 2, 2),
    (8, 4, 4),
]  # fmt: skip
SURPRISE = {
    "pearson": [
        [1, 0, -0.866025, -0.124515, 0.246183],
        [0, 1, 0.367484, -0.866025, -0.507093],
        [-0.866025, 0.367484, 1, -0.058824, 0.313732],
        [-0.124515, -0.866025, -0.058824, 1, -0.781661],
        [0.246183, -0.507093, 0.313732, -0.781661, 1],
    ],
    "msd": [
        [1, 0.1, 0.222222, 0.173913, 0.153846],
        [0.1, 1, 0.142857, 0.1875, 0.173913],
        [0.222222, 0.142857, 1, 0.2, 0.1875],
        [0.173913, 0.1875, 0.2, 1, 0.081633],
        [0.153846, 0.173913, 0.1875, 0.081633, 1],
    ],
}


@pytest.mark.parametrize("similarity", ["pearson", "msd"])
def test_agrees_with_another_library(similarity: str) -> None:
    users, items, ratings = (np.array(column) for column in zip(*RATED, strict=True))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users))])
    points = Vectors(indptr, items.astype(np.int32), ratings.astype(np.float32)).turned(5)
    got = found(Index.of(Measure(similarity), points, 9), points, 0)
    np.testing.assert_allclose(got, np.maximum(SURPRISE[similarity], 0), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 60),
    n_keys=st.integers(1, 25),
    k=st.integers(1, 12),
    similarity=st.sampled_from(["cosine", "jaccard", "msd"]),
    by_score=st.booleans(),
)
def test_keeps_the_k_best_and_breaks_ties_by_number(
    seed: int, rows: int, n_keys: int, k: int, similarity: str, by_score: bool
) -> None:
    points = vectors(seed, rows, n_keys, unit=similarity == "jaccard")
    index = Index.of(Measure(similarity), points, n_keys)
    everyone = found(index, points, 0)
    np.fill_diagonal(everyone, 0)
    names = np.random.default_rng(seed).permutation(rows).astype(np.int32)
    me = np.arange(rows, dtype=np.int32)
    at = [(b.lo, *row) for b in index.near(points, k, myself=me, names=names, by_score=by_score) for row in rows_of(b)]
    assert len(at) == rows
    for query, (_, got, scores) in enumerate(at):
        order = np.lexsort((me, -everyone[query]))[:k]
        order = order[everyone[query][order] > 0]
        want = names[order] if by_score else np.sort(names[order])
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(scores, everyone[query].astype(np.float32)[np.argsort(names)[want]])


def rows_of(block: object) -> list[tuple[np.ndarray, np.ndarray]]:
    ends = np.cumsum(block.sizes)
    return [(block.points[e - s : e], block.scores[e - s : e]) for s, e in zip(block.sizes, ends, strict=True)]


@pytest.mark.parametrize("similarity", ["cosine", "pearson"])
def test_equal_for_any_number_of_threads(similarity: str) -> None:
    points = vectors(7, 1300, 40)
    index = Index.of(Measure(similarity, shrink=1.0), points, 40)
    one, four = (found(index, points, 9, threads=t) for t in (1, 4))
    assert np.count_nonzero(one) > 1300
    np.testing.assert_array_equal(one, four)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.floats(2**-60, 2**90, width=32), max_size=40) | st.lists(st.sampled_from([0.5, 1.0]), max_size=700),
        min_size=1, max_size=5,
    ),
    st.integers(1, 30) | st.integers(60, 300),
)  # fmt: skip
def test_the_best_are_found_whatever_the_scale_of_scores(rows: list[list[float]], k: int) -> None:
    sizes = np.array([len(row) for row in rows])
    points = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
    scores = np.concatenate([np.array(row, dtype=np.float32) for row in rows])
    names = np.arange(max(1, sizes.max()), dtype=np.int32)
    out, kept = np.empty(len(points), np.int32), np.empty(len(points), np.float32)
    taken = np.zeros(len(rows), np.int64)
    best_of(sizes, points, scores, names, True, k, out, kept, taken)
    at = 0
    for row, size in zip(rows, taken, strict=True):
        values = np.array(row, dtype=np.float32)
        order = np.lexsort((np.arange(len(values)), -values))[:k]
        np.testing.assert_array_equal(out[at : at + size], order)
        np.testing.assert_array_equal(kept[at : at + size], values[order])
        at += size


def test_no_queries_and_no_keys_are_answered() -> None:
    empty = Vectors(np.zeros(4, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    index = Index.of(Measure(), empty, 6)
    assert [b.sizes.sum() for b in index.near(empty, 5)] == [0]
    none = Vectors(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    assert list(index.near(none, 5)) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 30), st.integers(1, 20))
def test_turning_twice_is_the_same(seed: int, rows: int, n_keys: int) -> None:
    v = vectors(seed, rows, n_keys) if rows else vectors(seed, 1, n_keys)
    back = v.turned(n_keys).turned(len(v))
    for name in ("indptr", "keys", "values"):
        np.testing.assert_array_equal(getattr(v, name), getattr(back, name))


@pytest.mark.parametrize("similarity", ["cosine", "jaccard", "dice", "lift", "conditional"])
@pytest.mark.parametrize("by_score", [False, True])
def test_neighbours_by_bits_are_those_by_pairs(
    similarity: str, by_score: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = vectors(6, 90, 200, unit=True)
    order, names = (np.random.default_rng(n).permutation(90).astype(np.int32) for n in (0, 1))
    index = Index.of(Measure(similarity, shrink=3.0, min_overlap=2), points, 200)
    made = index._bits(90)
    assert made.shape == (90, 8)  # dense enough that bits pay for some queries, but not for all
    assert int(sum(ones.sum() for ones in np.unpackbits(made.view(np.uint8), axis=1))) == len(points.keys)
    paying = [6 * int(index.by_key.lengths[points.keys[slice(*points.indptr[r : r + 2])]].sum()) for r in range(90)]
    assert 0 < sum(pairs > made.size for pairs in paying) < 90
    two = list(index.near(points, 7, order=order, myself=order, names=names, by_score=by_score))
    monkeypatch.setattr("penchant.models.parts.similarity.MOST_WORDS", 0)
    one = list(index.near(points, 7, order=order, myself=order, names=names, by_score=by_score))
    for part in ("sizes", "points", "scores"):
        np.testing.assert_array_equal(*(np.concatenate([getattr(block, part) for block in of]) for of in (one, two)))
