#!/usr/bin/env bash
# In implicit's ALS a stored zero is neither "nothing" nor "disliked".
#
# Expected: a 0 stored in the CSR matrix means the same as an entry that is not stored: preference 0
# with confidence 1, as the docstring of fit() says of values left unset. SciPy treats the two as
# equal in arithmetic.
#
# Seen: a stored 0 is confidence 0. ALS then leaves the pair out of the loss, exactly as if the item
# were not in the catalogue for that user. The score of the item rises from 0.636 to 0.932.
# recommend() then drops the item all the same, because it counts as already liked.
#
# Why it matters: zeros get stored easily, by a decayed weight, by a refund that cancels a purchase,
# or by clearing .data to mask a test set. The model and the filter read them in two opposite ways.
# Asked about in benfred/implicit issue 724. Call eliminate_zeros() first.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  implicit==0.7.3 numpy==2.4.6 scipy==1.17.1
cd "$work"
venv/bin/python - <<'EOF'
import warnings

warnings.filterwarnings("ignore", category=RuntimeWarning)
import implicit
import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

print("implicit", implicit.__version__)
items = np.array([[1, 0], [0.8, 0.2], [0.9, 0.1], [0, 1]], dtype=np.float32)


def model(factors):
    als = AlternatingLeastSquares(factors=2, regularization=0.1, num_threads=1)
    als.item_factors = factors
    return als


one = np.float32(1)
unset = csr_matrix(([one, one], [0, 1], [0, 2]), shape=(1, 4))
stored = csr_matrix(([one, one, 0 * one], [0, 1, 2], [0, 3]), shape=(1, 4))
assert (unset != stored).nnz == 0 and stored.nnz == 3  # equal for SciPy
without = csr_matrix(([one, one], [0, 1], [0, 2]), shape=(1, 3))  # item 2 is no item at all

als = model(items)
scores = {
    "unset": items @ als.recalculate_user(0, unset),
    "stored 0": items @ als.recalculate_user(0, stored),
    "item left out": items @ model(items[[0, 1, 3]]).recalculate_user(0, without),
}
for name, score in scores.items():
    print(name, score.astype(float).round(3).tolist())
als.user_factors = als.recalculate_user([0], stored)
best = {name: als.recommend(0, row, N=1)[0].tolist() for name, row in (("unset", unset), ("stored 0", stored))}
print("best item not yet liked:", best)
assert np.allclose(scores["unset"], [0.704, 0.567, 0.636, 0.021], atol=5e-4)
assert np.allclose(scores["stored 0"], [1.032, 0.831, 0.932, 0.031], atol=5e-4)
assert np.allclose(scores["stored 0"], scores["item left out"], atol=1e-5)
assert best == {"unset": [2], "stored 0": [3]}
EOF
