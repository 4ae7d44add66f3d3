#!/usr/bin/env bash
# implicit's CosineRecommender gives wrong neighbours for counts stored as uint8.
#
# Expected: a cosine lies in [-1, 1] and does not depend on the integer type that holds the ratings.
# fit() accepts any type, and the ALS model of the same library converts to float32 by itself.
#
# Seen: the norms come from data**2 in the type of the data. For uint8 every value above 15 wraps
# around. The item's similarity to itself becomes 35.53 and not 1, and its nearest other item
# changes from item 3 to item 2.
#
# Why it matters: uint8 and uint16 are the usual way to keep a large matrix of ratings or plays
# small. With uint16 the same happens above 255, with int16 above 181. There is no error and no
# warning of an overflow.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  implicit==0.7.3 numpy==2.4.6 scipy==1.17.1
cd "$work"
venv/bin/python - <<'EOF'
import warnings

warnings.filterwarnings("ignore", category=RuntimeWarning, message=".*OpenBLAS.*")
import implicit
import numpy as np
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix

print("implicit", implicit.__version__)
ratings = np.array([[100, 0, 0, 100], [20, 100, 100, 40], [0, 80, 80, 20], [20, 0, 100, 40]])  # of 100
seen = {}
with warnings.catch_warnings():
    warnings.simplefilter("error", RuntimeWarning)  # no overflow is reported
    warnings.simplefilter("ignore", implicit.utils.ParameterWarning)  # the library's own conversion
    for dtype in (np.float32, np.int64, np.uint8):
        model = CosineRecommender(K=4, num_threads=1)
        model.fit(csr_matrix(ratings.astype(dtype)), show_progress=False)
        ids, scores = model.similar_items(0, N=4)
        seen[dtype.__name__] = (ids.tolist(), scores.round(2).tolist())
        print(dtype.__name__, *seen[dtype.__name__])
assert seen["float32"] == seen["int64"] == ([0, 3, 2, 1], [1.0, 0.96, 0.24, 0.15])
assert seen["uint8"] == ([2, 3, 0, 1], [40.56, 39.2, 35.53, 28.68])
EOF
