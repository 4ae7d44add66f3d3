#!/usr/bin/env bash
# A matrix that scikit-learn writes as svmlight and reads back has its columns moved by one.
#
# Expected: load_svmlight_file reads what dump_svmlight_file wrote, at least when n_features is
# given.
#
# Seen: dump writes columns from 0. load guesses (zero_based="auto"): without a column 0 in the file
# it takes the columns to start at 1 and moves all of them left. With n_features the shape is right
# and still each value lies under the wrong item. A training file with item 0 and a test file
# without it no longer speak of the same items.
#
# Why it matters: a slice of users in which nobody touched item 0 is common, and factorisation
# machines and rankers are fed with this format. Nothing warns. Pass zero_based=True.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cd "$work"
venv/bin/python - <<'EOF'
import io

import numpy as np
import sklearn
from scipy.sparse import csr_matrix
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

print("scikit-learn", sklearn.__version__)


def round_trip(matrix, **options):
    file = io.BytesIO()
    dump_svmlight_file(csr_matrix(matrix), np.zeros(len(matrix)), file)
    file.seek(0)
    return load_svmlight_file(file, n_features=3, **options)[0].toarray().tolist()


train = [[5.0, 4.0, 0.0]]
test = [[0.0, 4.0, 3.0]]
print("train", train, "->", round_trip(train))
print("test ", test, "->", round_trip(test))
assert round_trip(train) == train
assert round_trip(test) == [[4.0, 3.0, 0.0]]
assert round_trip(test, zero_based=True) == test
EOF
