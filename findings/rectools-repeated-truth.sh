#!/usr/bin/env bash
# RecTools counts one hit several times when a user repeats an item in the test period.
#
# Expected: precision@3 is the number of distinct recommended items that are relevant, over 3. One
# hit of three is 1/3, however often the user came back to the item.
#
# Seen: every row of the test table is a hit. An item listened to three times gives precision@3 =
# 1.0 with one hit in three, and four times gives 1.33. NDCG@3 rises from 0.47 to 1.41 and 1.88,
# although its docstring says that it lies in [0, 1]. Recall and MAP stay at 1.
#
# Why it matters: music, groceries and news have repeats in every test period. Whoever does not drop
# duplicates first gets a precision driven by heavy listeners. There is no warning.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  rectools==0.19.0 numpy==1.26.4 pandas==2.3.3 scipy==1.17.1
cd "$work"
venv/bin/python - <<'EOF'
import warnings
from importlib.metadata import version

import pandas as pd
from rectools.metrics import MAP, NDCG, Precision, Recall

print("rectools", version("rectools"))
recommended = pd.DataFrame({"user_id": 1, "item_id": [10, 11, 12], "rank": [1, 2, 3]})
seen = {}
with warnings.catch_warnings():
    warnings.simplefilter("error")  # nothing warns
    for times in (1, 3, 4):
        played = pd.DataFrame({"user_id": 1, "item_id": [10] * times})
        metrics = (Precision(k=3), NDCG(k=3), Recall(k=3), MAP(k=3))
        seen[times] = [round(float(metric.calc(recommended, played)), 2) for metric in metrics]
        print("played", times, "times: precision, ndcg, recall, map =", seen[times])
assert seen == {1: [0.33, 0.47, 1.0, 1.0], 3: [1.0, 1.41, 1.0, 1.0], 4: [1.33, 1.88, 1.0, 1.0]}
EOF
