#!/usr/bin/env bash
# ranx keeps the order of ties in lists of up to 15 items and changes it in longer ones.
#
# Expected: items with one score keep the order in which the run gives them, or follow some rule,
# for a list of any length.
#
# Seen: up to 15 items the first item given ranks first (reciprocal rank 1). From 16 items on the
# sort is another one: with 16 or 20 equal scores the first item comes last but one (1/15 and 1/19).
#
# Why it matters: a test with a toy list of five shows a stable order, and the evaluation of lists
# of 20 or 100 has another one. Ties are common in popularity and co-occurrence scores, and for
# those the measure then says more about the length of the list than about the model. Make scores
# distinct first.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  ranx==0.3.21 numba==0.68.1 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1
cd "$work"
venv/bin/python - <<'EOF'
import warnings
from importlib.metadata import version

warnings.filterwarnings("ignore")
from ranx import Qrels, Run, evaluate

print("ranx", version("ranx"))


def rank_of_first(length):
    run = Run({"user": {f"i{place}": 1.0 for place in range(length)}})
    return round(1 / float(evaluate(Qrels({"user": {"i0": 1}}), run, "mrr")))


seen = {length: rank_of_first(length) for length in (5, 15, 16, 20, 100)}
print("rank of the first of equal items, by length of the list:", seen)
assert seen == {5: 1, 15: 1, 16: 15, 20: 19, 100: 73}
EOF
